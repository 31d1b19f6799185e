import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { saveClaims } from '../../../schema/database/hub/identities.ts';
import { setState } from '../../../schema/database/hub/installation-state.ts';
import type { Call } from '../call.ts';
import type { ClaimCoverage } from '../connector.ts';
import { hubCall } from '../host/services.ts';
import { type ManualClock, manualClock } from '../testing/test-clock.ts';
import { createTestDatabase } from '../testing/test-database.ts';
import { CLAIMS_COMPLETE, KnownInstallations } from './known-installations.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
afterEach(() => database.plain.query('TRUNCATE identity, state'));

const NOW = new Date('2026-03-01T12:00:00Z');
const HOUR = 3_600_000;
const down = new Set<string>();

/** An installation as the host has it; its guard reports facts without a health of its own. */
const candidate = (id: string) => ({
  config: { id },
  get isDown() {
    return down.has(id);
  },
  services: {
    guard: {
      mirrorFacts: (_call: Call, at: Date | null, recordedAt: Date | null) => ({
        ...{ source: id, system: 'doors', fetchedAt: at ?? new Date(0), recordedAt, stale: false },
      }),
    },
  },
});
const all = ['a', 'b', 'c'].map(candidate);

/** The choice of a host that has just started, for one operation. */
async function choose(coverage: ClaimCoverage | undefined, key: string, clock: ManualClock = manualClock(NOW)) {
  const known = new KnownInstallations({ claims: coverage ? { COMPANY: coverage } : {} }, database, clock);
  const { asked, others, absentIn } = await known.choose(newCall(), 'COMPANY', key, all);
  return { asked: [...asked], others: [...others], absentIn: absentIn.map(({ source }) => source) };
}
const newCall = () => hubCall(60_000, new AbortController().signal);
const claim = (installation: string, key: string) =>
  database.transaction((tx) =>
    saveClaims(tx, { installation, connector: 'doors', park: installation, at: NOW }, [
      { entity: 'COMPANY', key, system: 'uscc', value: key },
    ]),
  );
const complete = (installation: string, at = NOW) =>
  database.transaction((tx) => setState(tx, installation, CLAIMS_COMPLETE, { at: at.toISOString(), validFor: HOUR }));

test('known installations: without claims in the contract all are asked', async () => {
  await claim('a', 'x');
  expect(await choose(undefined, 'x')).toEqual({ asked: ['a', 'b', 'c'], others: [], absentIn: [] });
});

test('known installations: one that was never read completely is asked', async () => {
  await claim('a', 'x');
  await complete('b');
  expect(await choose('after-sync', 'x')).toEqual({ asked: ['a', 'c'], others: [], absentIn: [] });
});

test('known installations: after complete reads only those with a claim are asked; if there is none, the reads are its proof', async () => {
  for (const id of ['a', 'b', 'c']) await complete(id);
  await claim('b', 'x');
  expect(await choose('after-sync', 'x')).toEqual({ asked: ['b'], others: [], absentIn: [] });
  expect(await choose('after-sync', 'y')).toEqual({ asked: [], others: [], absentIn: ['a', 'b', 'c'] });
});

test('known installations: one whose complete read is overdue is asked while it responds, and not while it is down', async () => {
  await complete('a');
  await complete('b', new Date(NOW.getTime() - 2 * HOUR));
  await complete('c', new Date(NOW.getTime() - 2 * HOUR));
  await claim('a', 'x');
  down.add('c');
  try {
    expect((await choose('after-sync', 'x')).asked).toEqual(['a', 'b']);
  } finally {
    down.clear();
  }
});

test('known installations: with partial claims the others are asked only after those with a claim, and all if there is none', async () => {
  await claim('c', 'x');
  expect(await choose('partial', 'x')).toEqual({ asked: ['c'], others: ['a', 'b'], absentIn: [] });
  expect(await choose('partial', 'y')).toEqual({ asked: ['a', 'b', 'c'], others: [], absentIn: [] });
});

test('known installations: claims of the same transaction as the data need no complete read', async () => {
  await claim('c', 'x');
  expect(await choose('always', 'x')).toMatchObject({ asked: ['c'] });
  expect(await choose('always', 'y')).toMatchObject({ asked: [] });
});

test('known installations: a claim of another process applies to the next operation', async () => {
  for (const id of ['a', 'b', 'c']) await complete(id);
  const known = new KnownInstallations({ claims: { COMPANY: 'after-sync' } }, database, manualClock(NOW));
  expect([...(await known.choose(newCall(), 'COMPANY', 'x', all)).asked]).toEqual([]);
  await claim('b', 'x');
  expect([...(await known.choose(newCall(), 'COMPANY', 'x', all)).asked]).toEqual(['b']);
});

test('known installations: the keys of one operation are one query, over all connectors', async () => {
  const statements: string[] = [];
  const requests = {
    query: (sql: string, values: unknown[]) => {
      statements.push(sql);
      return database.plain.query(sql, values);
    },
  };
  const clock = manualClock(NOW);
  for (const id of ['a', 'b', 'c']) await complete(id);
  const hosts = [1, 2].map(
    () => new KnownInstallations({ claims: { COMPANY: 'after-sync' } }, { requests } as never, clock),
  );
  const ask = (keys: readonly string[]) => {
    const call = newCall();
    return Promise.all(hosts.flatMap((host) => keys.map((key) => host.choose(call, 'COMPANY', key, all))));
  };
  await ask(['x']);
  statements.length = 0;
  await ask(['x', 'y', 'z']);
  expect(statements).toHaveLength(1);
});
