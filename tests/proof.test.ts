/** `extensions.provenance`: each leaf that came from a source lies under one path, and what stands there is what the source's own journal says. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { islands } from '../connectors/index.ts';
import { type JournalEntry, readJournal } from '../connectors/kit/testing/simulator.ts';
import { type Answer, operation, until, type WholeHub, wholeHub } from './hub.ts';

interface Entry {
  readonly path: (string | number)[];
  readonly source: string;
  readonly system: string;
  readonly recordedAt: string | null;
  readonly fetchedAt: string;
  readonly stale: boolean;
  readonly masked: string[];
}

/** Paths of all leaves that have a value. */
function leaves(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value.flatMap((one, i) => leaves(one, [...path, i]));
  if (typeof value !== 'object') return [path];
  return Object.entries(value).flatMap(([name, one]) => leaves(one, [...path, name]));
}

const DAY = 86_400_000;

describe('where every value comes from', () => {
  let whole: WholeHub;
  let codes: string[] = [];
  const span = () => ({ from: new Date(Date.now() - DAY).toISOString(), to: new Date().toISOString() });
  const ask = (query: string, variables: Record<string, unknown> = {}): Promise<Answer> =>
    whole.ask(query, { ...span(), ...variables }, { extensions: { provenance: true } });
  const entries = (answer: Answer): Entry[] => answer.extensions.provenance;
  /** The longest listed path of a leaf. */
  const of = (list: readonly Entry[], leaf: readonly (string | number)[]): Entry | undefined =>
    list
      .filter((one) => one.path.length <= leaf.length && one.path.every((step, i) => step === leaf[i]))
      .sort((a, b) => b.path.length - a.path.length)[0];

  beforeAll(async () => {
    whole = await wholeHub('embedded');
    await until('the companies are known by name', 90, async () => {
      const { data } = await whole.ask(operation('Companies'), { first: 50 });
      codes = data.companies.nodes.map((one: { uscc: string }) => one.uscc);
      return codes.length === 40 && data.companies.nodes.every((one: { name: string | null }) => one.name);
    });
    await until('every source answers', 60, async () => {
      const { data } = await whole.ask(operation('Sources'));
      return data.sources.every((one: { state: string }) => one.state === 'UP');
    });
  }, 180_000);
  afterAll(async () => {
    await whole?.close();
  }, 60_000);

  test('is not said when nobody asks; the data is the same when somebody does', async () => {
    const query = operation('Company360');
    const plain = await whole.ask(query, { uscc: codes[0], ...span() });
    expect(plain.extensions?.provenance).toBeUndefined();
    const proven = await ask(query, { uscc: codes[0] });
    const shape = (one: unknown) =>
      leaves(one).filter(([, field]) => field === 'registration' || field === 'name' || field === 'uscc');
    expect(shape(proven.data)).toEqual(shape(plain.data));
    expect(JSON.stringify(proven.data)).not.toContain('proof_');
  });

  test('every leaf of the reference operations lies under a path, each path stands once', async () => {
    const files = readdirSync(join(import.meta.dirname, '..', 'gateway', 'explorer', 'operations'));
    for (const file of files.flatMap((one) => (one.endsWith('.graphql') ? [one.replace('.graphql', '')] : []))) {
      const query = operation(file);
      // Sources and the log are what the hub itself says of its own doings.
      if (/^subscription/m.test(query) || file === 'Sources' || file === 'History') continue;
      const answer = await ask(query, { uscc: codes[0], id: 'lakeside' });
      const list = entries(answer);
      const paths = list.map((one) => one.path.join('.'));
      expect(new Set(paths).size, file).toBe(paths.length);
      for (const leaf of leaves(answer.data)) {
        if (leaf.includes('sources') || leaf.includes('pageInfo') || leaf.at(-1) === 'totalCount') continue;
        expect(of(list, leaf), `${file}: ${leaf.join('.')}`).toBeDefined();
      }
    }
  });

  test('random operations: the path says the source that answers the field, at the moment that its journal shows', async () => {
    /** Each piece, and the installation that must be named for its leaves. */
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
    const served = (island: string): JournalEntry[] => readJournal(join(whole.directory, island));
    const selection = fc.uniqueArray(fc.integer({ min: 0, max: pieces.length - 1 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(selection, fc.integer({ min: 0, max: 39 }), async (chosen, nth) => {
        const text = chosen.map((n, i) => `a${i}: company(uscc: $uscc) { x: ${pieces[n]?.[0]} }`).join(' ');
        const began = Date.now();
        const answer = await ask(`query ($uscc: USCC!) { ${text} }`, { uscc: codes[nth] });
        expect(answer.errors).toBeUndefined();
        const list = entries(answer);
        for (const leaf of leaves(answer.data)) {
          if (leaf.at(-1) === 'source') continue;
          const found = list.filter((one) => one.path.join() === of(list, leaf)?.path.join());
          expect(found).toHaveLength(1);
          const wanted = pieces[chosen[Number(String(leaf[0]).slice(1))] as number]?.[1] as string | RegExp;
          expect(found[0]?.source, leaf.join('.')).toMatch(wanted);
        }
        // What was read live stands in the journal of the source, at that time; what was kept was served then.
        for (const one of list.filter(({ system }) => system === 'registration' || system === 'parking')) {
          const at = Date.parse(one.fetchedAt);
          expect(at).toBeLessThanOrEqual(Date.now());
          const near = served(one.system).filter((line) => Math.abs(Date.parse(line.at) - at) < 1_500);
          expect(
            near.length,
            `${one.source} at ${one.fetchedAt}, asked at ${new Date(began).toISOString()}`,
          ).toBeGreaterThan(0);
          if (one.system !== 'registration') continue;
          // The company's own provenance is that of the copied name: the list was read then.
          const copied = one.path.length === 1;
          const asked = (line: JournalEntry) =>
            copied
              ? line.operation === 'listCompanies'
              : line.operation === 'getCompany' && line['about'] === codes[nth];
          expect(near.some(asked), `${one.path.join('.')}: ${JSON.stringify(near)}`).toBe(true);
        }
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  test('the island list of the graph is the island list of this test', () => {
    expect(islands.map((one) => one.name).sort()).toEqual([
      'access-control',
      'energy',
      'parking',
      'registration',
      'tax',
    ]);
  });
});
