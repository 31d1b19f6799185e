/** `isthmus onboard` for an OpenAPI description: the published APDS interface, against a server generated from it. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { undoOnboard } from '../gateway/commands/actions/onboard.ts';
import { mockOpenApi } from './mock-openapi.ts';
import { type OnboardingTest, startOnboardingTest } from './onboarding.ts';
import { samplePath } from './real/data.ts';
import { waitFor } from './test-hub.ts';

const APDS = samplePath('parking/apds/APDS_API_bundled.json');

let server: Awaited<ReturnType<typeof mockOpenApi>>;
let park: OnboardingTest;

beforeAll(async () => {
  server = await mockOpenApi(JSON.parse(readFileSync(APDS, 'utf8')));
  park = await startOnboardingTest();
});
afterAll(async () => {
  await server?.close();
  await park?.close();
}, 30_000);

test('isthmus onboard openapi: drafts the system, shows the schema change, writes it, answers queries, and undoes it', async () => {
  const first = await park.onboard('openapi', APDS, 'apds', { url: server.url, yes: false });
  expect(first.written).toBe(false);
  expect(readFileSync(park.file, 'utf8')).toBe(park.originalText);
  const { output, written } = await park.onboard('openapi', APDS, 'apds', { url: server.url });
  expect(written).toBe(true);
  expect(output).toContain('100 keys cost 100 calls');
  expect(output).toMatch(/\+ type Session\n/);
  expect(output).toContain('25 additions, 0 breaking changes');
  expect(readFileSync(park.file, 'utf8').startsWith(park.originalText)).toBe(true);

  const hub = await park.start();
  const nodes = await waitFor('sessions in the graph', 20, async () => {
    const { data } = await park.query('{ park(id: "lakeside") { sessions { nodes { id provenance { source } } } } }');
    return data?.park?.sessions?.nodes;
  });
  expect(nodes[0]).toMatchObject({ provenance: { source: 'lakeside-apds' } });
  undoOnboard({ system: 'apds', config: park.file, say: () => undefined });
  expect(readFileSync(park.file, 'utf8')).toBe(park.originalText);
  expect(await hub.applyConfig(park.read())).toMatchObject({ removed: ['apds'] });
}, 60_000);
