/**
 * Memory cost of slow webhooks: `npm run show:slow-webhooks -- --count 200 --seconds 10`. Runs a hub in a separate process and `count` clients
 * that announce nearly the largest body, send most of it and then one byte now and then, and reconnect when they are cut
 * off; and signed webhooks of a well-behaved vendor. Prints the memory of the hub; exits with 1 if it grew by more than
 * 64 MB, if a signed webhook was not accepted and committed, or if capacity was not released.
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
import { createTestDatabase } from '../../connectors/kit/testing/test-database.ts';
import { startEmbeddedPostgres } from '../../schema/database/embedded/embedded-postgres.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import type { IngestHubOptions } from './ingest-hub.ts';

const { values } = parseArgs({
  options: { count: { type: 'string', default: '60' }, seconds: { type: 'string', default: '6' } },
});
const [count, seconds] = [Number(values.count), Number(values.seconds)];
const MAX_GROWTH = 64;
const SECRET = 'secret-of-the-slow-webhooks';
/** Pause before a slow client reconnects, in milliseconds. */
const RECONNECT_PAUSE = 1_000;
/** Signed webhooks per second. */
const PER_SECOND = 10;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const MIB = 1024 * 1024;

/** Memory of the process in MB: now, and the peak since it was reset. */
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

/** Kinds of slow clients: path, whether signed, and whether the body is chunked. */
const KINDS = [
  { name: 'with Content-Length', path: '/webhooks/in', sign: true, chunked: false },
  { name: 'chunked', path: '/webhooks/in', sign: true, chunked: true },
  { name: 'with Content-Length', path: '/webhooks/in', sign: true, chunked: false },
  { name: 'unsigned', path: '/webhooks/in', sign: false, chunked: false },
  { name: 'with Content-Length', path: '/webhooks/in', sign: true, chunked: false },
  { name: 'for an unknown installation', path: '/webhooks/nobody', sign: true, chunked: false },
] as const;

const answers = new Map<string, number>();
let over = false;
const open = new Set<Socket>();

/** One slow client; reconnects until the end of the run. */
async function runSlowClient(port: number, n: number): Promise<void> {
  const way = KINDS[n % KINDS.length] as (typeof KINDS)[number];
  const size = DEFAULT_LIMITS.webhook - 10;
  const body = Buffer.alloc(Math.floor(size * 0.9), 'x');
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
        way.chunked ? Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]) : body,
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
        const status = text === '' ? 'no response' : (text.split(' ')[1] ?? '');
        const key = `${way.name}: ${status}`;
        answers.set(key, (answers.get(key) ?? 0) + 1);
        resolve();
      });
    });
    await sleep(RECONNECT_PAUSE);
  }
}

/** A signed webhook of a well-behaved vendor, which honours Retry-After. Returns attempts and duration; null after ten attempts. */
async function sendSigned(port: number, n: number): Promise<{ times: number; milliseconds: number } | null> {
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

async function capacityInUse(port: number): Promise<number[]> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return ['webhooks', 'webhookBytes', 'commits', 'commitBytes'].map((name) =>
    Number(new RegExp(`isthmus_limit_held\\{limit="${name}"\\} (\\S+)`).exec(text)?.[1] ?? Number.NaN),
  );
}

async function hubProcess(order: IngestHubOptions): Promise<ChildProcess> {
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
    hub.once('exit', (code) => reject(new Error(`The hub exited (${code}).`)));
  });
  return hub;
}

const directory = mkdtempSync(join(tmpdir(), 'isthmus-slow-'));
const cluster = await startEmbeddedPostgres({
  directory: join(directory, 'database'),
  listen: { host: '127.0.0.1', port: 0 },
});
process.env['ISTHMUS_TEST_CLUSTER'] = cluster.url;
const database = await createTestDatabase();
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
  for (; sent < 200; sent++) await sendSigned(port, sent);
  await sleep(1_000);
  const before = memory(pid);
  // Reset the peak.
  writeFileSync(`/proc/${pid}/clear_refs`, '5');

  const all = Array.from({ length: count }, (_, n) => runSlowClient(port, n));
  const taken: Promise<{ times: number; milliseconds: number } | null>[] = [];
  for (const end = Date.now() + seconds * 1_000; Date.now() < end; await sleep(1_000 / PER_SECOND))
    taken.push(sendSigned(port, sent++));
  const beside = await Promise.all(taken);
  const peak = memory(pid);
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
  let left = await capacityInUse(port);
  for (const end = Date.now() + 10_000; Date.now() < end && left.some((one) => one !== 0); await sleep(200))
    left = await capacityInUse(port);
  const growth = peak.most - before.now;
  process.stdout.write(
    [
      `${count} concurrent slow webhooks for ${seconds} s, each announcing ${(DEFAULT_LIMITS.webhook / MIB).toFixed(0)} MiB`,
      `hub memory: ${before.now.toFixed(0)} MB before, peak ${peak.most.toFixed(0)} MB (+${growth.toFixed(0)} MB), ${after.now.toFixed(0)} MB after`,
      `signed webhooks meanwhile: ${accepted.length} of ${beside.length} accepted, ${accepted.filter((one) => one.times === 1).length} at the first attempt, p50 ${times[times.length >> 1]?.toFixed(0)} ms, max ${times.at(-1)?.toFixed(0)} ms; ${rows.count} of ${sent} committed`,
      `responses to slow webhooks: ${[...answers].map(([name, n]) => `${name} ${n}`).join(', ')}`,
      `capacity in use afterwards: ${left.join(', ')} (webhooks, webhookBytes, commits, commitBytes)`,
      '',
    ].join('\n'),
  );
  if (!(growth <= MAX_GROWTH))
    wrong.push(`hub memory grew by ${growth.toFixed(0)} MB, at most ${MAX_GROWTH} MB allowed`);
  if (accepted.length < beside.length)
    wrong.push(`${beside.length - accepted.length} signed webhooks were not accepted`);
  if (rows.count !== sent) wrong.push(`${rows.count} of ${sent} were committed`);
  if (left.some((one) => one !== 0)) wrong.push('webhook capacity was not released');
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
