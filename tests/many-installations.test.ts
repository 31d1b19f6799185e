/** A hub with 48 installations and two database connections: work queues for connections, and every source comes up. */
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withInstallations } from './start/installations.ts';
import { startTestHub, type TestHub, waitFor } from './test-hub.ts';

const INSTALLATIONS = 48;
const POOL = 2;
/** The hub's LISTEN connections: events, consents, the audit log. */
const LISTENERS = 3;
let testHub: TestHub;

beforeAll(async () => {
  testHub = await startTestHub('embedded', { settings: (text) => withInstallations(text, INSTALLATIONS), pool: POOL });
}, 120_000);
afterAll(() => testHub?.close());

const allUp = () =>
  waitFor('all sources up', 90, () => testHub.hub.sources().every((one) => one.state !== 'DOWN')).then(() =>
    expect(testHub.hub.sources()).toHaveLength(INSTALLATIONS),
  );

test('opens 48 installations with two database connections, and all of them come up', async () => {
  await allUp();
  // The jobs of 48 installations share two connections, so on a busy machine a query may reach its timeout.
  await waitFor('an answer', 60, async () => {
    const answer = await testHub.query('{ sources { id } companies(first: 1) { nodes { uscc } } }');
    return answer.errors === undefined && answer.data.companies.nodes.length === 1;
  });
  const [{ n }] = await testHub.hub.database.plain.query(
    `SELECT count(*)::int AS n FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'isthmus%' AND application_name <> 'isthmus test'`,
  );
  expect(n).toBeLessThanOrEqual(POOL + LISTENERS);
}, 120_000);

test('waits and logs while a start gets no database connection for longer than any timeout, then comes up', async () => {
  const other = new pg.Client({ connectionString: testHub.databaseUrl });
  await other.connect();
  testHub.log.length = 0;
  // The statements that acquire the leases and that write the states of the sources hold both connections until these locks are released.
  await testHub.restart(async () => {
    await other.query('BEGIN; LOCK TABLE lease IN ACCESS EXCLUSIVE MODE; SELECT FROM source FOR UPDATE');
    setTimeout(() => void other.query('COMMIT').then(() => other.end()), 12_000);
  });
  await allUp();
  expect(testHub.log.filter((line) => line.includes('Waiting for a free database connection for'))).not.toEqual([]);
  expect(testHub.log.filter((line) => /Failed to open|timeout|No connection/.test(line))).toEqual([]);
}, 120_000);
