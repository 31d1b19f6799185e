/** `npm run test:kill -- [--nats] [events] [kills] [reloads]`: the full kill test and its figures. Its seed is ISTHMUS_SEED. */
import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNatsServer } from '../services/peers/nats.ts';
import { killTest } from './scenario.ts';

const given = process.argv.slice(2);
const [events = 50_000, kills = 1_000, reloads = 20] = given.filter((one) => one !== '--nats').map(Number);
const seed = Number(process.env['ISTHMUS_SEED'] ?? Math.floor(Math.random() * 1e9));
const print = (text: string) => void process.stdout.write(`${text}\n`);

const directory = mkdtempSync(join(tmpdir(), 'isthmus-kill-nats-'));
const server = given.includes('--nats') ? await startNatsServer(directory) : null;
print(`Events: ${events}, killed sockets: ${kills}, reloads: ${reloads}${server ? ', with NATS' : ''}; seed ${seed}`);
try {
  const figures = await killTest({
    ...{ events, kills, reloads, seed, subscribers: 12 },
    ...(server ? { broker: { url: server.url, restart: () => server.kill().then(server.start) } } : {}),
  });
  for (const [name, value] of Object.entries(figures))
    print(`${name}: ${Array.isArray(value) ? value.join(', ') : value}`);
  print('Every subscriber received the log in order, without duplicates.');
} finally {
  await server?.stop();
  rmSync(directory, { recursive: true, force: true });
}
