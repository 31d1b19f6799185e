/** A hub with 48 installations and two connections to its database: everything waits its turn, and all of it comes up. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until, type WholeHub, wholeHub } from './hub.ts';
import { withInstallations } from './start/installations.ts';

const INSTALLATIONS = 48;
const POOL = 2;
/** The hub's listeners: events, consents, the audit log. */
const LISTENERS = 3;
let whole: WholeHub;

beforeAll(async () => {
  whole = await wholeHub('embedded', { settings: (text) => withInstallations(text, INSTALLATIONS), pool: POOL });
}, 120_000);
afterAll(() => whole?.close());

const allUp = () =>
  until('all sources up', 90, () => whole.hub.sources().every((one) => one.state !== 'DOWN')).then(() =>
    expect(whole.hub.sources()).toHaveLength(INSTALLATIONS),
  );

test('48 installations open with two connections to the database, and all of them come up', async () => {
  await allUp();
  const answer = await whole.ask('{ sources { id } companies(first: 1) { nodes { uscc } } }');
  expect(answer.errors).toBeUndefined();
  expect(answer.data.companies.nodes).toHaveLength(1);
  const [{ n }] = await whole.hub.database.plain.query(
    `SELECT count(*)::int AS n FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'isthmus%' AND application_name <> 'isthmus test'`,
  );
  expect(n).toBeLessThanOrEqual(POOL + LISTENERS);
}, 120_000);

test('a start that gets no connection for longer than any of its times waits, says so, and comes up', async () => {
  const other = new pg.Client({ connectionString: whole.databaseUrl });
  await other.connect();
  whole.log.length = 0;
  // Whatever takes a lease keeps its connection until this ends.
  await whole.restart(async () => {
    await other.query('BEGIN; LOCK TABLE lease IN ACCESS EXCLUSIVE MODE');
    setTimeout(() => void other.query('COMMIT').then(() => other.end()), 7_000);
  });
  await allUp();
  expect(whole.log.filter((line) => line.includes('Waiting for a free connection since'))).not.toEqual([]);
  expect(whole.log.filter((line) => /cannot be opened|timeout|No connection/.test(line))).toEqual([]);
}, 120_000);
