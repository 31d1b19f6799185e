/** A stranger's system joins the graph from its description alone: the parking alliance's own API against a server made from it. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { undoOnboard } from '../gateway/commands/actions/onboard.ts';
import { until } from './hub.ts';
import { mockOpenApi } from './mock-openapi.ts';
import { type Onboarding, onboarding } from './onboarding.ts';
import { isHere, realPath } from './real/data.ts';

const APDS = realPath('parking/apds/APDS_API_bundled.json');
const have = isHere(APDS);

let server: Awaited<ReturnType<typeof mockOpenApi>>;
let park: Onboarding;

beforeAll(async () => {
  if (!have) return;
  server = await mockOpenApi(JSON.parse(readFileSync(APDS, 'utf8')));
  park = await onboarding();
});
afterAll(async () => {
  await server?.close();
  await park?.close();
}, 30_000);

test.runIf(have)(
  'drafted, compared, written, answering, undone',
  async () => {
    const first = await park.run('openapi', APDS, 'apds', { url: server.url, yes: false });
    expect(first.written).toBe(false);
    expect(readFileSync(park.file, 'utf8')).toBe(park.before);
    const { told, written } = await park.run('openapi', APDS, 'apds', { url: server.url });
    expect(written).toBe(true);
    expect(told).toContain('100 cost 100 calls');
    expect(told).toMatch(/\+ type Session\n/);
    expect(told).toContain('25 added, 0 broken');
    expect(readFileSync(park.file, 'utf8').startsWith(park.before)).toBe(true);

    const hub = await park.start();
    const nodes = await until('sessions in the graph', 20, async () => {
      const { data } = await park.ask('{ park(id: "lakeside") { sessions { nodes { id provenance { source } } } } }');
      return data?.park?.sessions?.nodes;
    });
    expect(nodes[0]).toMatchObject({ provenance: { source: 'lakeside-apds' } });
    undoOnboard({ system: 'apds', config: park.file, say: () => undefined });
    expect(readFileSync(park.file, 'utf8')).toBe(park.before);
    expect(await hub.change(park.read())).toMatchObject({ removed: ['apds'] });
  },
  60_000,
);
