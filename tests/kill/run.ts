/** `npm run test:kill [events] [kills] [reloads]`: the kill test in full, and its figures. Its seed is ISTHMUS_SEED. */
import 'reflect-metadata';
import { killTest } from './scenario.ts';

const [events = 50_000, kills = 1_000, reloads = 20] = process.argv.slice(2).map(Number);
const seed = Number(process.env['ISTHMUS_SEED'] ?? Math.floor(Math.random() * 1e9));
const say = (text: string) => void process.stdout.write(`${text}\n`);

say(`${events} events, ${kills} sockets killed, ${reloads} reloads; seed ${seed}`);
const figures = await killTest({ events, kills, reloads, listeners: 12, seed });
for (const [name, value] of Object.entries(figures)) say(`${name}: ${Array.isArray(value) ? value.join(', ') : value}`);
say('Every listener has the log, in order, none twice.');
