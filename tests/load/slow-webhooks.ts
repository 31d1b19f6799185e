/**
 * What slow webhooks cost the hub: `npm run show:slow-webhooks -- --count 200 --seconds 10`. A hub in a process of its own; so many clients at
 * once that say they send nearly the largest body, send most of it and then a byte now and then, and come again when they are cut
 * off; beside them signed webhooks as a vendor sends them. Prints what the hub's memory did, and ends with 1 when it grew by more than
 * 64 MB, when a signed webhook was not taken and committed, or when places are not given back.
 */
import 'reflect-metadata';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DEFAULT_LIMITS } from '../../connectors/kit/config/sections/limits.ts';
import { freshDatabase } from '../../connectors/kit/testing/test-database.ts';
import { startEmbedded } from '../../schema/database/embedded/embedded-postgres.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import type { HubOrder } from './ingest-hub.ts';

const { values } = parseArgs({
  options: { count: { type: 'string', default: '60' }, seconds: { type: 'string', default: '6' } },
});
const [count, seconds] = [Number(values.count), Number(values.seconds)];
const MOST_GROWTH = 64;
const SECRET = 'secret-of-the-slow-webhooks';
/** A slow client that was cut off comes again after so long, in milliseconds. */
const AGAIN = 1_000;
/** Signed webhooks, in a second. */
const PER_SECOND = 10;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const MIB = 1024 * 1024;

/** Memory of the process in MB: now, and the most since `forget`. */
function memory(pid: number): { now: number; most: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? Number.NaN) / 1024;
  return { now: of('VmRSS'), most: of('VmHWM') };
}

function signed(body: string, secret = SECRET): Record<string, string> {
  const t = Math.floor(Date.now() / 1000);
  const v1 = createHmac('sha256', secret).update(`${t}.`).update(body).digest('hex');
  return { 'content-type': 'application/json', 'x-signature': `t=${t},v1=${v1}` };
}

/** What a slow client does: the path, its signature, and whether it says how long its body is. */
const WAYS = [
  { name: 'of a declared length', path: '/webhooks/in', sign: true, chunked: false },
  { name: 'chunked', path: '/webhooks/in', sign: true, chunked: true },
  { name: 'of a declared length', path: '/webhooks/in', sign: true, chunked: false },
  { name: 'without its signature', path: '/webhooks/in', sign: false, chunked: false },
  { name: 'of a declared length', path: '/webhooks/in', sign: true, chunked: false },
  { name: 'for nobody', path: '/webhooks/nobody', sign: true, chunked: false },
] as const;

const answers = new Map<string, number>();
let over = false;
const open = new Set<Socket>();

/** One slow client; comes again until the end. */
async function slow(port: number, n: number): Promise<void> {
  const way = WAYS[n % WAYS.length] as (typeof WAYS)[number];
  const size = DEFAULT_LIMITS.webhook - 10;
  const most = Buffer.alloc(Math.floor(size * 0.9), 'x');
  while (!over) {
    await new Promise<void>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      open.add(socket);
      let text = '';
      let drip: NodeJS.Timeout | undefined;
      const headers: Record<string, string> = way.sign ? signed('another body') : { 'x-signature': 'none' };
      if (way.chunked) headers['transfer-encoding'] = 'chunked';
      else headers['content-length'] = String(size);
      const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`POST ${way.path} HTTP/1.1\r\nhost: hub\r\n${head.join('')}\r\n`);
      socket.write(
        way.chunked ? Buffer.concat([Buffer.from(`${most.length.toString(16)}\r\n`), most, Buffer.from('\r\n')]) : most,
        () => {
          drip = setInterval(() => socket.write(way.chunked ? '1\r\nx\r\n' : 'x'), 100);
        },
      );
      socket.on('data', (data) => {
        text += String(data);
      });
      socket.on('error', () => undefined);
      socket.on('close', () => {
        clearInterval(drip);
        open.delete(socket);
        const status = text === '' ? 'no answer' : (text.split(' ')[1] ?? '');
        const key = `${way.name}: ${status}`;
        answers.set(key, (answers.get(key) ?? 0) + 1);
        resolve();
      });
    });
    await sleep(AGAIN);
  }
}

/** A signed webhook as the vendor sends it, again after a while where it is told so; how often it was sent. */
async function proper(port: number, n: number): Promise<{ times: number; milliseconds: number } | null> {
  const body = JSON.stringify({
    ...{ eventSubscriptionId: 'W1', eventTime: new Date().toISOString(), topic: 'SessionCreated' },
    data: [
      {
        ...{ id: `slow-${n}`, version: 1, actualStart: new Date().toISOString(), segments: [] },
        initiator: { id: 'gate-1', version: 1, className: 'SupplementalEquipment' },
        hierachyElement: { id: 'lot-1', version: 1, className: 'Place' },
        identifiedCredentials: [],
      },
    ],
  });
  const began = performance.now();
  for (let times = 1; times <= 10; times++) {
    const answer = await fetch(`http://127.0.0.1:${port}/webhooks/in`, {
      method: 'POST',
      headers: signed(body),
      body,
    }).catch(() => null);
    await answer?.arrayBuffer();
    if (answer?.status === 200) return { times, milliseconds: performance.now() - began };
    await sleep(Number(answer?.headers.get('retry-after') ?? 1) * 1_000);
  }
  return null;
}

async function held(port: number): Promise<number[]> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return ['webhooks', 'webhookBytes', 'commits', 'commitBytes'].map((name) =>
    Number(new RegExp(`isthmus_limit_held\\{limit="${name}"\\} (\\S+)`).exec(text)?.[1] ?? Number.NaN),
  );
}

async function hubProcess(order: HubOrder): Promise<ChildProcess> {
  const hub = spawn(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), join(import.meta.dirname, 'ingest-hub.ts')],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );
  await new Promise<void>((resolve, reject) => {
    hub.on('message', (message: { loaded?: boolean; begun?: boolean }) => {
      if (message.loaded) hub.send({ begin: order });
      if (message.begun) resolve();
    });
    hub.once('exit', (code) => reject(new Error(`The hub has ended (${code}).`)));
  });
  return hub;
}

const directory = mkdtempSync(join(tmpdir(), 'isthmus-slow-'));
const cluster = await startEmbedded({
  directory: join(directory, 'database'),
  listen: { host: '127.0.0.1', port: 0 },
});
process.env['ISTHMUS_TEST_CLUSTER'] = cluster.url;
const database = await freshDatabase();
const port = await freePort();
let hub: ChildProcess | undefined;
const wrong: string[] = [];
try {
  hub = await hubProcess({
    config: `parks: [ { id: load, name: Load, region: "500112" } ]\ninstallations:\n  - { id: in, park: load, connector: parking, url: "http://127.0.0.1:9", token: "\${TOKEN}", webhookSecret: "\${SECRET}" }\nanonymous: developer\n`,
    env: { TOKEN: 'token', SECRET },
    port,
    data: join(directory, 'data'),
    databaseUrl: database.url,
    pace: {},
  });
  const pid = hub.pid as number;
  let sent = 0;
  for (; sent < 200; sent++) await proper(port, sent);
  await sleep(1_000);
  const before = memory(pid);
  // From here on the most is counted anew.
  writeFileSync(`/proc/${pid}/clear_refs`, '5');

  const all = Array.from({ length: count }, (_, n) => slow(port, n));
  const taken: Promise<{ times: number; milliseconds: number } | null>[] = [];
  for (const end = Date.now() + seconds * 1_000; Date.now() < end; await sleep(1_000 / PER_SECOND))
    taken.push(proper(port, sent++));
  const beside = await Promise.all(taken);
  const most = memory(pid);
  over = true;
  for (const one of open) one.destroy();
  await Promise.all(all);
  await sleep(1_000);
  const after = memory(pid);

  const accepted = beside.filter((one) => one !== null);
  const times = accepted.map((one) => one.milliseconds).sort((a, b) => a - b);
  const [rows] = await database.plain.query(
    "SELECT count(*)::int AS count FROM event_key WHERE installation = 'in' AND foreign_id ~ '^session slow-'",
  );
  let left = await held(port);
  for (const end = Date.now() + 10_000; Date.now() < end && left.some((one) => one !== 0); await sleep(200))
    left = await held(port);
  const growth = most.most - before.now;
  process.stdout.write(
    [
      `${count} slow webhooks at once for ${seconds} s, each ${(DEFAULT_LIMITS.webhook / MIB).toFixed(0)} MiB by its own word`,
      `memory of the hub: ${before.now.toFixed(0)} MB before, ${most.most.toFixed(0)} MB at most, ${after.now.toFixed(0)} MB after; it grew by ${growth.toFixed(0)} MB at most`,
      `signed webhooks beside them: ${accepted.length} of ${beside.length} taken, ${accepted.filter((one) => one.times === 1).length} at the first time, p50 ${times[times.length >> 1]?.toFixed(0)} ms, the slowest ${times.at(-1)?.toFixed(0)} ms; ${rows.count} of ${sent} committed`,
      `answers to the slow ones: ${[...answers].map(([name, n]) => `${name} ${n}`).join(', ')}`,
      `held afterwards: ${left.join(', ')} (webhooks, webhookBytes, commits, commitBytes)`,
      '',
    ].join('\n'),
  );
  if (!(growth <= MOST_GROWTH)) wrong.push(`the hub grew by ${growth.toFixed(0)} MB, more than ${MOST_GROWTH}`);
  if (accepted.length < beside.length) wrong.push(`${beside.length - accepted.length} signed webhooks were not taken`);
  if (rows.count !== sent) wrong.push(`${rows.count} of ${sent} were committed`);
  if (left.some((one) => one !== 0)) wrong.push('places or bytes were not given back');
} finally {
  over = true;
  hub?.removeAllListeners('exit');
  if (hub && hub.exitCode === null) {
    hub.kill('SIGTERM');
    await new Promise((resolve) => hub?.once('exit', resolve));
  }
  await database.close();
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
}
for (const one of wrong) process.stderr.write(`${one}\n`);
process.exitCode = wrong.length > 0 ? 1 : 0;
