/**
 * `npm run show:refused-payloads -- --count 100000`: so many payloads that the hub must refuse go through a real broker at QoS 1, among good
 * readings, while commits fail and the hub is killed. What the broker saw acknowledged must be in the table, byte for byte, at each
 * kill and in the end; then a small bound is reached, and what went must be reported to the last one. Exit code 1 when anything is wrong.
 */
import 'reflect-metadata';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freshDatabase } from '../../connectors/kit/testing/test-database.ts';
import { startEmbedded } from '../../schema/database/embedded/embedded-postgres.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import type { HubOrder } from '../load/ingest-hub.ts';
import { publisher, realBroker, sha256, watchingProxy } from './refused-broker.ts';

const { values } = parseArgs({ options: { count: { type: 'string', default: '2000' } } });
const count = Number(values.count);
if (!(Number.isInteger(count) && count > 0)) {
  process.stderr.write('npm run show:refused-payloads -- --count 100000\n');
  process.exit(2);
}
const KILLS = Math.min(10, Math.max(2, Math.floor(count / 5_000)));
const LARGEST = 1_000_000;
const say = (text: string) => void process.stdout.write(`${text}\n`);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const wrong: string[] = [];

/** Payloads of every kind that cannot be understood, each with its number in it. */
const KINDS: readonly (readonly [string, (n: number) => Buffer])[] = [
  ['truncated JSON', (n) => Buffer.from(`{"ts":"2026-01-01T00:00:00Z","register":"${n}`)],
  ['another type', (n) => Buffer.from(JSON.stringify({ ts: new Date().toISOString(), register: [n] }))],
  ['binary', (n) => Buffer.concat([randomBytes(200), Buffer.from(String(n))])],
  ['no register', (n) => Buffer.from(JSON.stringify({ ts: new Date().toISOString(), n }))],
  ['9,502 bytes', (n) => Buffer.from(`{"n":${n},"text":"`.padEnd(9_502, 'x'))],
  ['a list with one bad value', (n) => Buffer.from(JSON.stringify({ values: [{ ts: 'never', register: String(n) }] }))],
  ['40 kB', (n) => Buffer.concat([randomBytes(40_000), Buffer.from(String(n))])],
  ['larger than is read', (n) => Buffer.concat([randomBytes(LARGEST + 500_000), Buffer.from(String(n))])],
];
const SELDOM: Readonly<Record<string, number>> = {
  '40 kB': 50,
  'larger than is read': Math.max(200, Math.floor(count / 40)),
};

const directory = mkdtempSync(join(tmpdir(), 'isthmus-refused-'));
const ends: (() => Promise<unknown> | unknown)[] = [() => rmSync(directory, { recursive: true, force: true })];
try {
  const cluster = await startEmbedded({
    directory: join(directory, 'database'),
    listen: { host: '127.0.0.1', port: 0 },
  });
  ends.push(() => cluster.stop());
  process.env['ISTHMUS_TEST_CLUSTER'] = cluster.url;
  const database = await freshDatabase();
  ends.push(() => database.close());
  const rows = <T>(sql: string, given: unknown[] = []): Promise<T[]> => database.plain.query(sql, given);
  const broker = await realBroker(directory);
  ends.push(() => broker.stop());
  const proxy = await watchingProxy(broker.port);
  ends.push(() => proxy.close());
  const port = await freePort();

  let hub: ChildProcess | null = null;
  const begin = async (bound: string) => {
    const order: HubOrder = {
      config: `parks: [ { id: show, name: Show, region: "500112" } ]\ninstallations:\n  - { id: in, park: show, connector: energy, url: "mqtt://127.0.0.1:${proxy.port}", largest: 1MB, refusedBytes: ${bound}, timeout: 10s }\nanonymous: developer\n`,
      ...{
        env: {},
        port,
        data: join(directory, 'data'),
        databaseUrl: database.url,
        pace: { checkUp: 500, checkDown: 500 },
      },
    };
    const file = join(import.meta.dirname, '..', 'load', 'ingest-hub.ts');
    const made = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), file], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    hub = made;
    await new Promise<void>((resolve, reject) => {
      made.once('exit', () => reject(new Error('The hub ended before it had begun.')));
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
    const gone = new Promise((resolve) => dying.once('exit', resolve));
    dying.kill('SIGKILL');
    await gone;
  };
  ends.push(kill);

  /** Digests in the table; each page is checked against the bytes beside it. */
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
          const [whole] = await rows<{ same: boolean }>(
            `SELECT sha256(string_agg(p.payload, '' ORDER BY number)) = decode($2, 'hex') AS same FROM meter_refusal_part p WHERE refusal = $1`,
            [one.id, one.digest],
          );
          same = whole?.same === true;
        }
        if (!same) wrong.push(`the bytes of row ${one.id} are not those of its digest`);
        found.add(one.digest);
      }
      const last = page.at(-1);
      if (!last) return found;
      after = last.id;
    }
  };
  const refused = new Map<string, number>();
  /** Good readings are acknowledged, too: only what was made to be refused counts. */
  const lost = (all: ReadonlySet<string>, table: ReadonlySet<string>): string[] =>
    [...all].filter((digest) => refused.has(digest) && !table.has(digest));
  const held = async (sql: string): Promise<number> => Number((await rows<{ n: string }>(sql))[0]?.n);

  // 1. The payloads, the hub being killed and commits failing.
  say(
    `${count} refused payloads through ${broker.name} at QoS 1; the hub is killed ${KILLS} times, and commits fail between`,
  );
  await begin('100GB');
  await untilTrue(
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
        KINDS.findLast(([name]) => n % (SELDOM[name] ?? 1) === 0 && SELDOM[name]) ??
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
    await untilTrue(async () => published || proxy.acknowledged.size >= part);
    await failCommits();
    figures.failures++;
    await sleep(300);
    if (n % 2 === 0) await allowCommits();
    await kill();
    figures.kills++;
    await allowCommits();
    const gone = lost(proxy.acknowledged, await inTable());
    if (gone.length > 0) wrong.push(`at kill ${n}, ${gone.length} acknowledged payloads were not in the table`);
    await begin('100GB');
  }
  await ended;
  const all = new Set(refused.keys());
  await untilTrue(async () => lost(all, proxy.acknowledged).length === 0);
  const table = await inTable();
  const seconds = (performance.now() - started) / 1000;
  const missing = lost(all, table);
  const gone = lost(proxy.acknowledged, table);
  if (taken < count) wrong.push(`the broker took ${taken} of ${count}`);
  if (gone.length > 0) wrong.push(`${gone.length} acknowledged payloads are not in the table`);
  if (missing.length > 0) wrong.push(`${missing.length} of ${count} payloads are not in the table`);
  const strange = [...table].filter((digest) => !refused.has(digest));
  if (strange.length > 0) wrong.push(`${strange.length} payloads in the table were never sent`);
  const large = await held(
    'SELECT count(DISTINCT refusal) AS n FROM meter_refusal_part p JOIN meter_refusal r ON r.id = p.refusal',
  );
  const good = await held("SELECT count(*) AS n FROM meter_reading WHERE meter = 'in:GOOD'");
  if (good < figures.good) wrong.push(`${figures.good - good} good readings are missing`);
  const twice = (await held('SELECT count(*) AS n FROM meter_refusal')) - table.size;
  say(
    `  ${(figures.bytes / 1e6).toFixed(0)} MB in ${seconds.toFixed(0)} s; killed ${figures.kills} times, commits failed ${figures.failures} times`,
  );
  say(
    `  acknowledged: ${[...proxy.acknowledged].filter((one) => refused.has(one)).length}; in the table, byte for byte: ${table.size} (${large} in parts, ${twice} kept twice); gone: ${gone.length}`,
  );
  say(`  good readings among them: ${good} of ${figures.good}`);

  // 2. The bound: what goes is reported, and nothing else goes.
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
  await untilTrue(async () => {
    const now = await total();
    return Number(now?.count) + Number(now?.dropped) >= more;
  });
  const now = await total();
  const kept = await held('SELECT count(*) AS n FROM meter_refusal');
  const [newest] = await rows<{ n: string }>(
    "SELECT substring(convert_from(payload, 'utf8') FROM '\"bound\":(\\d+)') AS n FROM meter_refusal ORDER BY id DESC LIMIT 1",
  );
  const source = async () =>
    (await rows<{ state: string; reason: string | null }>("SELECT state, reason FROM source WHERE id = 'in'"))[0];
  await untilTrue(async () => /refusedBytes/.test((await source())?.reason ?? ''), 10_000);
  const shown = await source();
  say(`  with refusedBytes 1MB, ${more} more: ${kept} kept (${now?.bytes} bytes), ${now?.dropped} dropped and counted`);
  say(`  the source is ${shown?.state}: ${shown?.reason}`);
  if (Number(now?.count) !== kept || kept + Number(now?.dropped) < more)
    wrong.push('what is kept and what was dropped do not add up');
  if (Number(now?.bytes) > 1_000_000) wrong.push(`${now?.bytes} bytes are kept, more than the bound`);
  if (newest?.n !== String(more - 1)) wrong.push('the newest payload is not among those that are kept');
  if (shown?.state !== 'DEGRADED' || !/refusedBytes/.test(shown.reason ?? ''))
    wrong.push('the source does not say that the bound is reached');
} catch (error) {
  wrong.push(String(error instanceof Error ? error.stack : error));
} finally {
  for (const end of ends.reverse()) await Promise.resolve(end()).catch((error: unknown) => say(String(error)));
}
say(wrong.length === 0 ? 'Nothing is lost.' : `WRONG:\n${wrong.map((one) => `  - ${one}`).join('\n')}`);
process.exit(wrong.length === 0 ? 0 : 1);

/** Waits for it; gives up after `most` milliseconds, and the caller finds what is missing. */
async function untilTrue(done: () => Promise<boolean>, most = 60_000 + count * 10): Promise<void> {
  for (const end = Date.now() + most; Date.now() < end && !(await done()); ) await sleep(100);
}
