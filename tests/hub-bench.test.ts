/** The program that `isthmus bench --hub` measures the hub against gives the hub's responses and writes the hub's audit entries. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HubCandidate, hubCandidate, startHandwritten } from '../gateway/bench/hub/candidates.ts';
import {
  type DemoEnvironment,
  demoConfiguration,
  startDemoEnvironment,
  startHubProcess,
} from '../gateway/bench/hub/demo-hub.ts';
import { assertEqualResponses, demoCompanies } from '../gateway/bench/hub/index.ts';
import { ask, requestsOf } from '../gateway/bench/hub/operations.ts';
import { countStatements } from '../gateway/bench/hub/statement-counter.ts';
import { isthmusArgs } from './run-isthmus.ts';

let environment: DemoEnvironment;
let hub: HubCandidate;
let handwritten: HubCandidate;
beforeAll(async () => {
  environment = await startDemoEnvironment(() => undefined);
  const process = await startHubProcess(environment, demoConfiguration(), isthmusArgs());
  const token = await process.token({ role: 'developer', subject: 'bench', client: 'bench', seconds: 3_600 });
  const requests = requestsOf(await demoCompanies(environment, process.port, token), new Date());
  hub = hubCandidate(process, token, { ...requests, Company360: requests.Company360.slice(0, 12) });
  handwritten = await startHandwritten(environment, token, hub.requests as typeof requests);
}, 300_000);
afterAll(() => environment?.close(), 60_000);

const newestBody = async (table: string) => {
  const { rows } = await environment.database.query(`SELECT body FROM ${table} ORDER BY time DESC LIMIT 1`);
  const { chain: _, number: __, time: ___, entities, ...entry } = JSON.parse(rows[0].body);
  const counts = Object.entries(entities as Record<string, string[]>).map(([type, ids]) => [type, ids.length]);
  return { ...entry, entities: Object.fromEntries(counts.filter(([, count]) => count !== 0)) };
};

test('hub bench: the hand-written program answers Companies and Company360 as the hub does', async () => {
  await assertEqualResponses(hub, handwritten);
}, 120_000);

test('hub bench: the hand-written program rejects a request without a token, as the rights require', async () => {
  const [request] = handwritten.requests.Company360 ?? [];
  await expect(ask(handwritten.port, request as NonNullable<typeof request>, {})).rejects.toThrow('answered 500');
});

test('hub bench: both write the same audit entry for the same access', async () => {
  const [request] = hub.requests.Company360 ?? [];
  // A car may arrive between the two.
  await expect
    .poll(
      async () => {
        for (const { port, headers } of [hub, handwritten])
          await ask(port, request as NonNullable<typeof request>, headers);
        const own = await newestBody('handwritten.audit_entry');
        expect(own.fields.length).toBeGreaterThan(20);
        return JSON.stringify(own) === JSON.stringify(await newestBody('audit_entry'));
      },
      { timeout: 60_000, interval: 2_000 },
    )
    .toBe(true);
}, 90_000);

test('hub bench: the server counts one statement per source and the audit entry', async () => {
  const all = handwritten.requests.Company360 ?? [];
  const request = (i: number) =>
    ask(handwritten.port, all[i % all.length] as (typeof all)[number], handwritten.headers);
  for (let i = 0; i < all.length; i++) await request(i);
  const statements = await countStatements(environment.database, 40, request);
  expect(statements.map(({ calls, kind }) => [calls, kind]).sort()).toEqual([
    [1, 'audit'],
    [1, 'read'],
    [1, 'read'],
    [1, 'read'],
  ]);
}, 60_000);
