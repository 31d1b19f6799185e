/** What one Company360 query costs the hub's database, with every source asked. */
import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { anonymousPrincipal } from '../gateway/trust/tokens/token-principal.ts';
import { explorerOperation, startTestHub, type TestHub, waitFor } from './test-hub.ts';

interface Sent {
  readonly text: string;
  readonly name: string | undefined;
}

/** The statements that the current request sends to the hub's database, also in the background. */
const current = new AsyncLocalStorage<Sent[]>();
const original = pg.Client.prototype.query;
let hub: TestHub;

beforeAll(async () => {
  // Readings of the car parks and of access control are never fresh: each query asks the sources.
  const fresh = ['ParkingLot', 'ParkingSession', 'ParkingPermit', 'Presence', 'AccessEvent', 'Registration'];
  hub = await startTestHub('embedded', {
    quiet: true,
    settings: (text) => `${text}\nguard: { keep: { ${fresh.map((type) => `${type}: { fresh: 0ms }`).join(', ')} } }\n`,
  });
  const name = new URL(hub.databaseUrl).pathname.slice(1);
  pg.Client.prototype.query = function (this: pg.Client, ...given: [string | { text?: string; name?: string }]) {
    const [statement] = given;
    if (this.database === name)
      current
        .getStore()
        ?.push(
          typeof statement === 'string'
            ? { text: statement, name: undefined }
            : { text: statement.text ?? '', name: statement.name },
        );
    return Reflect.apply(original, this, given);
  } as unknown as typeof original;
}, 180_000);
afterAll(async () => {
  pg.Client.prototype.query = original;
  await hub.close();
});

/** The response, and the statements sent until then. Each connection sets its plan mode once, which is not counted. */
async function run(query: string, variables: Record<string, unknown>) {
  const sent: Sent[] = [];
  const response = await current.run(sent, () =>
    hub.hub.operations.run({
      query,
      variables,
      principal: anonymousPrincipal('developer'),
      signal: new AbortController().signal,
    }),
  );
  expect(response.errors).toBeUndefined();
  const statements = sent.filter(({ text }) => !text.startsWith('SET plan_cache_mode'));
  return { data: response.data as Record<string, unknown>, statements };
}
const printed = (statements: readonly Sent[]) =>
  statements.map(({ text }, i) => `${i + 1}. ${text.replace(/\s+/g, ' ').slice(0, 160)}`).join('\n');
const isControl = ({ text }: Sent) => /^(START|BEGIN|COMMIT|ROLLBACK|SET|DEALLOCATE)/.test(text);
const isWrite = ({ text }: Sent) => /\b(INSERT INTO|UPDATE|DELETE FROM)\b/.test(text);

test('statements: Company360 costs at most eight, all prepared, in no transaction, and writes only the audit entry', async () => {
  const query = explorerOperation('Company360');
  const variables = {
    uscc: hub.world.companies[0]?.uscc ?? '',
    from: new Date(Date.now() - 86_400_000).toISOString(),
    to: new Date(Date.now() + 3_600_000).toISOString(),
  };
  await waitFor('the company is known to all sources', 120, async () => {
    const { data, errors } = await hub.query(query, variables);
    const { company } = data;
    return !errors && company?.tax?.lastFiling && company.registration && company.vehicles.nodes.length > 0;
  });
  const first = await run(query, variables);
  let { data, statements } = await run(query, variables);
  // The demo lives: an operation that meets a new vehicle stores the salt of its name once. Consents and states are read every few seconds.
  for (let i = 0; i < 5 && statements.some(({ text }) => /INTO audit_salt|FROM consent|FROM state /.test(text)); i++)
    ({ data, statements } = await run(query, variables));
  expect((data['company'] as { identifiers: unknown[] }).identifiers.length).toBeGreaterThan(2);
  expect(statements.filter(isControl), printed(statements)).toEqual([]);
  expect(statements.length, printed(statements)).toBeLessThanOrEqual(8);
  expect(
    statements.filter(({ name }) => name === undefined),
    printed(statements),
  ).toEqual([]);
  const writes = statements.filter(isWrite);
  expect(writes.length, printed(statements)).toBe(1);
  expect(writes[0]?.text).toMatch(/INSERT INTO audit_entry/);
  expect(Object.keys(first.data)).toEqual(Object.keys(data));
});

test('statements: a page of companies costs one', async () => {
  const query = explorerOperation('Companies');
  await run(query, { first: 10 });
  const { statements } = await run(query, { first: 10 });
  // The caller's consents are read again every five seconds.
  const pages = statements.filter(({ text }) => !text.includes('FROM consent'));
  expect(pages.length, printed(statements)).toBe(1);
  expect(pages[0]?.name).toBeDefined();
});
