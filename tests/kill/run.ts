/** `npm run test:kill -- [--nats] [events] [kills] [reloads]`: the kill test in full, and its figures. Its seed is ISTHMUS_SEED. */
import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { natsServer } from '../services/peers/nats.ts';
import { killTest } from './scenario.ts';

const given = process.argv.slice(2);
const [events = 50_000, kills = 1_000, reloads = 20] = given.filter((one) => one !== '--nats').map(Number);
const seed = Number(process.env['ISTHMUS_SEED'] ?? Math.floor(Math.random() * 1e9));
const say = (text: string) => void process.stdout.write(`${text}\n`);

const directory = mkdtempSync(join(tmpdir(), 'isthmus-kill-nats-'));
const server = given.includes('--nats') ? await natsServer(directory) : null;
say(`${events} events, ${kills} sockets killed, ${reloads} reloads${server ? ', NATS' : ''}; seed ${seed}`);
try {
  const figures = await killTest({
    ...{ events, kills, reloads, seed, listeners: 12 },
    ...(server ? { broker: { url: server.url, restart: () => server.kill().then(server.start) } } : {}),
  });
  for (const [name, value] of Object.entries(figures))
    say(`${name}: ${Array.isArray(value) ? value.join(', ') : value}`);
  say('Every listener has the log, in order, none twice.');
} finally {
  await server?.stop();
  rmSync(directory, { recursive: true, force: true });
}
