/** A stranger's system joins the graph from its description alone: the parking alliance's own API against a server made from it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configurable } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/host/config.ts';
import { makeLog } from '../connectors/kit/log.ts';
import { freshDatabase } from '../connectors/kit/testing/database.ts';
import { start } from '../gateway/main.ts';
import { onboard, undoOnboard } from '../gateway/onboard-command/index.ts';
import { until } from './hub.ts';
import { mockOpenApi } from './mock-openapi.ts';

const APDS = join(import.meta.dirname, '..', '..', 'shared', 'data', 'parking', 'apds', 'APDS_API_bundled.json');
const YAML = `# The park of the test.
parks:
  - { id: lakeside, name: Lakeside, region: "500112", buildings: [{ id: b1, name: One, known: [B01] }] }
anonymous: developer
`;

let server: Awaited<ReturnType<typeof mockOpenApi>>;
const directory = mkdtempSync(join(tmpdir(), 'isthmus-onboard-'));
const file = join(directory, 'isthmus.yaml');

beforeAll(async () => {
  server = await mockOpenApi(JSON.parse(readFileSync(APDS, 'utf8')));
  writeFileSync(file, YAML);
});
afterAll(async () => {
  await server?.close();
  rmSync(directory, { recursive: true, force: true });
});

test('drafted, compared, written, answering, undone', async () => {
  const lines: string[] = [];
  const command = (yes: boolean) =>
    onboard({
      kind: 'openapi',
      source: APDS,
      url: server.url,
      system: 'apds',
      park: null,
      config: file,
      headers: [],
      tables: [],
      yes,
      environment: {},
      say: (line) => lines.push(line),
      terminal: false,
    });
  expect(await command(false)).toBe(false);
  expect(readFileSync(file, 'utf8')).toBe(YAML);
  lines.length = 0;
  expect(await command(true)).toBe(true);
  const told = lines.join('\n');
  if (process.env['ISTHMUS_TRANSCRIPT']) process.stdout.write(`${told}\n`);
  expect(told).toContain('100 cost 100 calls');
  expect(told).toMatch(/\+ type Session\n/);
  expect(told).toMatch(/0 broken/);
  expect(readFileSync(file, 'utf8')).toContain('# The park of the test.');

  const database = await freshDatabase();
  const hub = await start({
    config: readConfig(readFileSync(file, 'utf8'), file, configurable, {}),
    host: '127.0.0.1',
    port: 0,
    data: join(directory, 'data'),
    databaseUrl: database.url,
    log: makeLog(() => undefined),
  });
  try {
    const nodes = await until('sessions in the graph', 20, async () => {
      const answer = await fetch(`${hub.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: '{ park(id: "lakeside") { sessions { nodes { id provenance { source } } } } }' }),
      });
      const { data } = (await answer.json()) as { data?: { park?: { sessions?: { nodes: object[] } } } };
      return data?.park?.sessions?.nodes;
    });
    expect(nodes[0]).toMatchObject({ provenance: { source: 'lakeside-apds' } });
    undoOnboard({ system: 'apds', config: file, say: () => undefined });
    const after = readConfig(readFileSync(file, 'utf8'), file, configurable, {});
    expect(await hub.change(after)).toMatchObject({ removed: ['apds'] });
  } finally {
    await hub.stop();
    await database.drop();
  }
}, 60_000);
