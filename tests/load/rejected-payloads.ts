/**
 * `npm run show:refused-payloads -- --count 100000`: sends payloads that the hub must reject through a real broker at QoS 1, among valid
 * readings, while commits fail and the hub is killed. Every acknowledged payload must be in the table, byte for byte, at each
 * kill and at the end. Then a small size limit is exceeded, and every dropped payload must be counted. Exits with 1 on any violation.
 */
import 'reflect-metadata';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createTestDatabase } from '../../connectors/kit/testing/test-database.ts';
import { startEmbeddedPostgres } from '../../schema/database/embedded/embedded-postgres.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import type { IngestHubOptions } from './ingest-hub.ts';
import { publisher, recordingProxy, sha256, startBroker } from './mqtt-proxy.ts';

const { values } = parseArgs({ options: { count: { type: 'string', default: '2000' } } });
const count = Number(values.count);
if (!(Number.isInteger(count) && count > 0)) {
  process.stderr.write('Usage: npm run show:refused-payloads -- --count N, for example --count 100000\n');
  process.exit(2);
}
const KILLS = Math.min(10, Math.max(2, Math.floor(count / 5_000)));
const LARGEST = 1_000_000;
const print = (text: string) => void process.stdout.write(`${text}\n`);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const wrong: string[] = [];

/** Invalid payloads of every kind, each containing its number. */
const KINDS: readonly (readonly [string, (n: number) => Buffer])[] = [
  ['truncated JSON', (n) => Buffer.from(`{"ts":"2026-01-01T00:00:00Z","register":"${n}`)],
  ['another type', (n) => Buffer.from(JSON.stringify({ ts: new Date().toISOString(), register: [n] }))],
  ['binary', (n) => Buffer.concat([randomBytes(200), Buffer.from(String(n))])],
  ['no register', (n) => Buffer.from(JSON.stringify({ ts: new Date().toISOString(), n }))],
  ['9,502 bytes', (n) => Buffer.from(`{"n":${n},"text":"`.padEnd(9_502, 'x'))],
  ['a list with one bad value', (n) => Buffer.from(JSON.stringify({ values: [{ ts: 'never', register: String(n) }] }))],
  ['40 kB', (n) => Buffer.concat([randomBytes(40_000), Buffer.from(String(n))])],
  ['above the maximum size', (n) => Buffer.concat([randomBytes(LARGEST + 500_000), Buffer.from(String(n))])],
];
const INTERVALS: Readonly<Record<string, number>> = {
  '40 kB': 50,
  'above the maximum size': Math.max(200, Math.floor(count / 40)),
};

const directory = mkdtempSync(join(tmpdir(), 'isthmus-refused-'));
const ends: (() => Promise<unknown> | unknown)[] = [() => rmSync(directory, { recursive: true, force: true })];
try {
  const cluster = await startEmbeddedPostgres({
    directory: join(directory, 'database'),
    listen: { host: '127.0.0.1', port: 0 },
  });
  ends.push(() => cluster.stop());
  process.env['ISTHMUS_TEST_CLUSTER'] = cluster.url;
  const database = await createTestDatabase();
  ends.push(() => database.close());
  const rows = <T>(sql: string, given: unknown[] = []): Promise<T[]> => database.plain.query(sql, given);
  const broker = await startBroker(directory);
  ends.push(() => broker.stop());
  const proxy = await recordingProxy(broker.port);
  ends.push(() => proxy.close());
  const port = await freePort();

  let hub: ChildProcess | null = null;
  const begin = async (bound: string) => {
    const order: IngestHubOptions = {
      config: `parks: [ { id: show, name: Show, region: "500112" } ]\ninstallations:\n  - { id: in, park: show, connector: energy, url: "mqtt://127.0.0.1:${proxy.port}", largest: 1MB, refusedBytes: ${bound}, timeout: 10s }\nanonymous: developer\n`,
      ...{
        env: {},
        port,
        data: join(directory, 'data'),
        databaseUrl: database.url,
        pace: { checkUp: 500, checkDown: 500 },
      },
    };
    const file = join(import.meta.dirname, 'ingest-hub.ts');
    const made = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), file], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    hub = made;
    await new Promise<void>((resolve, reject) => {
      made.once('exit', () => reject(new Error('The hub exited before it was up.')));
      made.on('message', (message: Record<string, unknown>) => {
        if (message['loaded']) made.send({ begin: order });
        if (message['begun']) resolve();
      });
    });
  };
  const kill = async () => {
    const dying = hub;
    hub = null;
    if (!dying) return;
    const exited = new Promise((resolve) => dying.once('exit', resolve));
    dying.kill('SIGKILL');
    await exited;
  };
  ends.push(kill);

  /** All digests in the table; checks each against the stored bytes. */
  const inTable = async (): Promise<Set<string>> => {
    const found = new Set<string>();
    for (let after = '0'; ; ) {
      const page = await rows<{ id: string; digest: string; same: boolean; parts: boolean }>(
        `SELECT id, encode(digest, 'hex') AS digest, sha256(payload) = digest AND octet_length(payload) = size AS same,
           EXISTS (SELECT 1 FROM meter_refusal_part p WHERE p.refusal = r.id) AS parts
         FROM meter_refusal r WHERE id > $1 ORDER BY id LIMIT 2000`,
        [after],
      );
      for (const one of page) {
        let { same } = one;
        if (one.parts) {
          const [joined] = await rows<{ same: boolean }>(
            `SELECT sha256(string_agg(p.payload, '' ORDER BY number)) = decode($2, 'hex') AS same FROM meter_refusal_part p WHERE refusal = $1`,
            [one.id, one.digest],
          );
          same = joined?.same === true;
        }
        if (!same) wrong.push(`the bytes of row ${one.id} do not match its digest`);
        found.add(one.digest);
      }
      const last = page.at(-1);
      if (!last) return found;
      after = last.id;
    }
  };
  const refused = new Map<string, number>();
  /** Rejected payloads of `all` that are missing in `table`. Valid readings are acknowledged, too, and not counted. */
  const lost = (all: ReadonlySet<string>, table: ReadonlySet<string>): string[] =>
    [...all].filter((digest) => refused.has(digest) && !table.has(digest));
  const held = async (sql: string): Promise<number> => Number((await rows<{ n: string }>(sql))[0]?.n);

  // 1. Payloads while the hub is killed and commits fail.
  print(
    `${count} invalid payloads through ${broker.name} at QoS 1; the hub is killed ${KILLS} times and commits fail in between`,
  );
  await begin('100GB');
  await waitUntil(
    async () => (await held("SELECT count(*) AS n FROM state WHERE installation = 'in' AND name = 'resend'")) > 0,
  );
  await rows(`CREATE FUNCTION no_refusal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no commit'; END $$`);
  const failCommits = () =>
    rows(`CREATE CONSTRAINT TRIGGER no_refusal AFTER INSERT ON meter_refusal DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION no_refusal()`);
  const allowCommits = () => rows('DROP TRIGGER IF EXISTS no_refusal ON meter_refusal');
  const out = await publisher(broker.port);
  ends.push(() => out.close());
  const started = performance.now();
  const began = Date.now();
  const figures = { bytes: 0, good: 0, kills: 0, failures: 0 };
  let taken = 0;
  const publishing = (async () => {
    for (let n = 0; n < count; n++) {
      const [kind, make] =
        KINDS.findLast(([name]) => n % (INTERVALS[name] ?? 1) === 0 && INTERVALS[name]) ??
        (KINDS[n % 6] as (typeof KINDS)[number]);
      const payload = make(n);
      figures.bytes += payload.length;
      refused.set(sha256(payload), n);
      await out.publish(`park/g${n % 7}/${kind.replace(/\W+/g, '-')}/telemetry`, payload, () => void taken++);
      if (n % 20 !== 0) continue;
      figures.good++;
      const ts = new Date(began - n * 1_000).toISOString();
      await out.publish('park/g/GOOD/telemetry', Buffer.from(JSON.stringify({ ts, register: String(n) })));
    }
    await out.flushed();
  })();
  let published = false;
  const ended = publishing.finally(() => {
    published = true;
  });
  ended.catch(() => undefined);
  for (let n = 1; n <= KILLS; n++) {
    const part = Math.floor((count * n) / (KILLS + 1));
    await waitUntil(async () => published || proxy.acknowledged.size >= part);
    await failCommits();
    figures.failures++;
    await sleep(300);
    if (n % 2 === 0) await allowCommits();
    await kill();
    figures.kills++;
    await allowCommits();
    const lostNow = lost(proxy.acknowledged, await inTable());
    if (lostNow.length > 0) wrong.push(`at kill ${n}, ${lostNow.length} acknowledged payloads were not in the table`);
    await begin('100GB');
  }
  await ended;
  const all = new Set(refused.keys());
  await waitUntil(async () => lost(all, proxy.acknowledged).length === 0);
  const table = await inTable();
  const seconds = (performance.now() - started) / 1000;
  const missing = lost(all, table);
  const lostAtEnd = lost(proxy.acknowledged, table);
  if (taken < count) wrong.push(`the broker acknowledged ${taken} of ${count}`);
  if (lostAtEnd.length > 0) wrong.push(`${lostAtEnd.length} acknowledged payloads are not in the table`);
  if (missing.length > 0) wrong.push(`${missing.length} of ${count} payloads are not in the table`);
  const strange = [...table].filter((digest) => !refused.has(digest));
  if (strange.length > 0) wrong.push(`${strange.length} payloads in the table were never sent`);
  const large = await held(
    'SELECT count(DISTINCT refusal) AS n FROM meter_refusal_part p JOIN meter_refusal r ON r.id = p.refusal',
  );
  const good = await held("SELECT count(*) AS n FROM meter_reading WHERE meter = 'in:GOOD'");
  if (good < figures.good) wrong.push(`${figures.good - good} valid readings are missing`);
  const twice = (await held('SELECT count(*) AS n FROM meter_refusal')) - table.size;
  print(
    `  ${(figures.bytes / 1e6).toFixed(0)} MB in ${seconds.toFixed(0)} s; killed ${figures.kills} times, commits failed ${figures.failures} times`,
  );
  print(
    `  acknowledged: ${[...proxy.acknowledged].filter((one) => refused.has(one)).length}; in the table, byte for byte: ${table.size} (${large} in parts, ${twice} stored twice); lost: ${lostAtEnd.length}`,
  );
  print(`  valid readings stored: ${good} of ${figures.good}`);

  // 2. The size limit: dropped payloads are counted, and no others are dropped.
  await kill();
  await rows('TRUNCATE meter_refusal, meter_refusal_part, meter_refusal_total');
  await begin('1MB');
  const more = 500;
  for (let n = 0; n < more; n++)
    await out.publish('park/g/M/telemetry', Buffer.from(`{"bound":${n},"text":"`.padEnd(9_502, 'x')));
  await out.flushed();
  const total = async () =>
    (
      await rows<{ count: string; bytes: string; dropped: string }>(
        'SELECT count, bytes, dropped FROM meter_refusal_total',
      )
    )[0];
  await waitUntil(async () => {
    const now = await total();
    return Number(now?.count) + Number(now?.dropped) >= more;
  });
  const now = await total();
  const stored = await held('SELECT count(*) AS n FROM meter_refusal');
  const [newest] = await rows<{ n: string }>(
    "SELECT substring(convert_from(payload, 'utf8') FROM '\"bound\":(\\d+)') AS n FROM meter_refusal ORDER BY id DESC LIMIT 1",
  );
  const source = async () =>
    (await rows<{ state: string; reason: string | null }>("SELECT state, reason FROM source WHERE id = 'in'"))[0];
  await waitUntil(async () => /refusedBytes/.test((await source())?.reason ?? ''), 10_000);
  const status = await source();
  print(
    `  with refusedBytes 1MB, ${more} more: ${stored} stored (${now?.bytes} bytes), ${now?.dropped} dropped and counted`,
  );
  print(`  the source is ${status?.state}: ${status?.reason}`);
  if (Number(now?.count) !== stored || stored + Number(now?.dropped) < more)
    wrong.push('stored and dropped payloads do not add up');
  if (Number(now?.bytes) > 1_000_000) wrong.push(`${now?.bytes} bytes are stored, more than refusedBytes`);
  if (newest?.n !== String(more - 1)) wrong.push('the newest payload is not stored');
  if (status?.state !== 'DEGRADED' || !/refusedBytes/.test(status.reason ?? ''))
    wrong.push('the source does not report that refusedBytes is reached');
} catch (error) {
  wrong.push(String(error instanceof Error ? error.stack : error));
} finally {
  for (const end of ends.reverse()) await Promise.resolve(end()).catch((error: unknown) => print(String(error)));
}
print(wrong.length === 0 ? 'No payload was lost.' : `WRONG:\n${wrong.map((one) => `  - ${one}`).join('\n')}`);
process.exit(wrong.length === 0 ? 0 : 1);

/** Waits until `done`, at most `most` milliseconds; the caller checks the result. */
async function waitUntil(done: () => Promise<boolean>, milliseconds = 60_000 + count * 10): Promise<void> {
  for (const end = Date.now() + milliseconds; Date.now() < end && !(await done()); ) await sleep(100);
}
