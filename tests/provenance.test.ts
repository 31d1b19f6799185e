/** `extensions.provenance`: every leaf from a source is below exactly one path, and source and time match the journal of that source. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sourceConnectors } from '../connectors/index.ts';
import { type JournalEntry, readJournal } from '../connectors/kit/testing/simulator.ts';
import { explorerOperation, type GraphqlResponse, startTestHub, type TestHub, waitFor } from './test-hub.ts';

interface Entry {
  readonly path: (string | number)[];
  readonly source: string;
  readonly system: string;
  readonly recordedAt: string | null;
  readonly fetchedAt: string;
  readonly stale: boolean;
  readonly masked: string[];
}

/** Paths of all non-null leaves. */
function leaves(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value.flatMap((one, i) => leaves(one, [...path, i]));
  if (typeof value !== 'object') return [path];
  return Object.entries(value).flatMap(([name, one]) => leaves(one, [...path, name]));
}

const DAY = 86_400_000;

describe('extensions.provenance', () => {
  let testHub: TestHub;
  let codes: string[] = [];
  const span = () => ({ from: new Date(Date.now() - DAY).toISOString(), to: new Date().toISOString() });
  const queryWithProvenance = (query: string, variables: Record<string, unknown> = {}): Promise<GraphqlResponse> =>
    testHub.query(query, { ...span(), ...variables }, { extensions: { provenance: true } });
  const entries = (answer: GraphqlResponse): Entry[] => answer.extensions.provenance;
  /** The longest listed path of a leaf. */
  const of = (list: readonly Entry[], leaf: readonly (string | number)[]): Entry | undefined =>
    list
      .filter((one) => one.path.length <= leaf.length && one.path.every((step, i) => step === leaf[i]))
      .sort((a, b) => b.path.length - a.path.length)[0];

  beforeAll(async () => {
    testHub = await startTestHub('embedded');
    await waitFor('the companies are known by name', 90, async () => {
      const { data } = await testHub.query(explorerOperation('Companies'), { first: 50 });
      codes = data.companies.nodes.map((node: { uscc: string }) => node.uscc);
      return codes.length === 40 && data.companies.nodes.every((node: { name: string | null }) => node.name);
    });
    await waitFor('every source answers', 60, async () => {
      const { data } = await testHub.query(explorerOperation('Sources'));
      return data.sources.every((source: { state: string }) => source.state === 'UP');
    });
  }, 180_000);
  afterAll(async () => {
    await testHub?.close();
  }, 60_000);

  test('is returned only on request, and does not change the data', async () => {
    const query = explorerOperation('Company360');
    const plain = await testHub.query(query, { uscc: codes[0], ...span() });
    expect(plain.extensions?.provenance).toBeUndefined();
    const proven = await queryWithProvenance(query, { uscc: codes[0] });
    const shape = (one: unknown) =>
      leaves(one).filter(([, field]) => field === 'registration' || field === 'name' || field === 'uscc');
    expect(shape(proven.data)).toEqual(shape(plain.data));
    expect(JSON.stringify(proven.data)).not.toContain('proof_');
  });

  test('covers every leaf of the reference operations; every path occurs once', async () => {
    const files = readdirSync(join(import.meta.dirname, '..', 'gateway', 'explorer', 'operations'));
    for (const file of files.flatMap((file) => (file.endsWith('.graphql') ? [file.replace('.graphql', '')] : []))) {
      const query = explorerOperation(file);
      // Sources and History return the hub's own data, which has no source.
      if (/^subscription/m.test(query) || file === 'Sources' || file === 'History') continue;
      const answer = await queryWithProvenance(query, { uscc: codes[0], id: 'lakeside' });
      const list = entries(answer);
      const paths = list.map((one) => one.path.join('.'));
      expect(new Set(paths).size, file).toBe(paths.length);
      for (const leaf of leaves(answer.data)) {
        if (leaf.includes('sources') || leaf.includes('pageInfo') || leaf.at(-1) === 'totalCount') continue;
        expect(of(list, leaf), `${file}: ${leaf.join('.')}`).toBeDefined();
      }
    }
  });

  test('names the source of each field, with the time in its journal, for random operations', async () => {
    /** Selections, and the installation that must be named for their leaves. */
    const pieces: readonly [string, string | RegExp][] = [
      ['name', 'lakeside-register'],
      ['registration { status legalName }', 'lakeside-register'],
      ['registration { capital { value } provenance { source } }', 'lakeside-register'],
      ['presence { peopleInside }', 'lakeside-access'],
      ['badges(first: 2) { nodes { active } }', 'lakeside-access'],
      ['vehicles(first: 3) { nodes { colour session { enteredAt lot { free name } } } }', 'lakeside-parking'],
      ['parkingSessions(first: 2) { nodes { enteredAt } }', 'lakeside-parking'],
      ['tax { standing }', 'lakeside-tax'],
      ['meters(first: 2) { nodes { unit latest { value } } }', /^lakeside-(meters|telemetry)$/],
    ];
    const served = (simulator: string): JournalEntry[] => readJournal(join(testHub.directory, simulator));
    const selection = fc.uniqueArray(fc.integer({ min: 0, max: pieces.length - 1 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(selection, fc.integer({ min: 0, max: 39 }), async (chosen, nth) => {
        const text = chosen.map((n, i) => `a${i}: company(uscc: $uscc) { x: ${pieces[n]?.[0]} }`).join(' ');
        const began = Date.now();
        const answer = await queryWithProvenance(`query ($uscc: USCC!) { ${text} }`, { uscc: codes[nth] });
        expect(answer.errors).toBeUndefined();
        const list = entries(answer);
        for (const leaf of leaves(answer.data)) {
          if (leaf.at(-1) === 'source') continue;
          const found = list.filter((one) => one.path.join() === of(list, leaf)?.path.join());
          expect(found).toHaveLength(1);
          const wanted = pieces[chosen[Number(String(leaf[0]).slice(1))] as number]?.[1] as string | RegExp;
          expect(found[0]?.source, leaf.join('.')).toMatch(wanted);
        }
        // The journal of the source has a call at `fetchedAt`, also for cached values.
        for (const one of list.filter(({ system }) => system === 'registration' || system === 'parking')) {
          const at = Date.parse(one.fetchedAt);
          expect(at).toBeLessThanOrEqual(Date.now());
          const near = served(one.system).filter((line) => Math.abs(Date.parse(line.at) - at) < 1_500);
          expect(
            near.length,
            `${one.source} at ${one.fetchedAt}, queried at ${new Date(began).toISOString()}`,
          ).toBeGreaterThan(0);
          if (one.system !== 'registration') continue;
          // The company itself has the provenance of its copied name, which comes from the list.
          const copied = one.path.length === 1;
          const isExpectedCall = (line: JournalEntry) =>
            copied
              ? line.operation === 'listCompanies'
              : line.operation === 'getCompany' && line['about'] === codes[nth];
          expect(near.some(isExpectedCall), `${one.path.join('.')}: ${JSON.stringify(near)}`).toBe(true);
        }
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  test('all source connectors are covered by this file', () => {
    expect(sourceConnectors.map((sourceConnector) => sourceConnector.name).sort()).toEqual([
      'access-control',
      'energy',
      'parking',
      'registration',
      'tax',
    ]);
  });
});
