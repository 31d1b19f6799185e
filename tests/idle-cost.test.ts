/** A hub whose 240 sources refuse all connections: it costs the database at most five transactions a second. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { configurable } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import { silentLog } from '../connectors/kit/log.ts';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { type Hub, startHub } from '../gateway/main.ts';
import { freePort } from '../schema/database/embedded/free-port.ts';
import { environmentDown, installationsDown } from './idle/installations.ts';
import { waitFor } from './test-hub.ts';

const INSTALLATIONS = 240;
/** Seconds of one measurement, and transactions allowed in each. */
const SECONDS = 6;
const MOST_TRANSACTIONS = 5;
const directory = mkdtempSync(join(tmpdir(), 'isthmus-idle-'));
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let hub: Hub;
/** Transactions of this process so far: those that are begun, and statements outside of one. */
let transactions = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  const { query } = pg.Client.prototype as unknown as { query: (...args: unknown[]) => unknown };
  const open = new WeakSet<object>();
  vi.spyOn(pg.Client.prototype as unknown as { query: typeof query }, 'query').mockImplementation(function (
    this: object,
    ...args: unknown[]
  ) {
    const text = typeof args[0] === 'string' ? args[0] : String((args[0] as { text?: string }).text);
    if (/^(COMMIT|ROLLBACK)$/i.test(text)) open.delete(this);
    else if (!open.has(this)) transactions++;
    if (/^(START TRANSACTION|BEGIN)/i.test(text)) open.add(this);
    return query.apply(this, args);
  });
  const data = join(directory, 'data');
  mkdirSync(data, { recursive: true });
  const config = readConfig(
    installationsDown(INSTALLATIONS),
    join(directory, 'isthmus.yaml'),
    configurable,
    environmentDown(await freePort()),
  );
  hub = await startHub({
    ...{ config, host: '127.0.0.1', port: 0, data, databaseUrl: database.url, log: silentLog },
  });
}, 120_000);
afterAll(async () => {
  await hub?.stop();
  vi.restoreAllMocks();
  await database?.drop();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

test('idle cost: 240 sources that are down cost at most five transactions a second', async () => {
  await waitFor('all sources are known to be down', 120, () => {
    const sources = hub.sources();
    return (
      sources.length === INSTALLATIONS &&
      sources.every(({ state, reason }) => state === 'DOWN' && reason === 'cannot be reached')
    );
  });
  // Every job has run once and waits for its source. A busy machine needs longer until then, and does less a second afterwards.
  const measured: number[] = [];
  await waitFor('a quiet time', 120, async () => {
    const before = transactions;
    await pause(SECONDS * 1_000);
    measured.push(transactions - before);
    return (measured.at(-1) ?? 0) <= SECONDS * MOST_TRANSACTIONS;
  }).catch(() => undefined);
  expect(measured.at(-1)).toBeLessThanOrEqual(SECONDS * MOST_TRANSACTIONS);
  // The heartbeat and the event log: the measurement sees what the hub does.
  expect(measured.at(-1)).toBeGreaterThan(2);
  const planned = hub.sources().flatMap(({ nextCheck }) => (nextCheck ? [nextCheck.getTime() - Date.now()] : []));
  expect(planned.length).toBeGreaterThan(INSTALLATIONS / 2);
  expect(Math.max(...planned)).toBeLessThanOrEqual(60_000);
  const [row] = await database.plain.query('SELECT count(*)::int AS leases FROM lease WHERE until > now()');
  expect(row.leases).toBeGreaterThan(INSTALLATIONS / 2);
}, 300_000);
