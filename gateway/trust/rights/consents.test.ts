import { afterAll, beforeAll, expect, test } from 'vitest';
import { HUB_PRINCIPAL, type Principal } from '../../../connectors/kit/auth/principal.ts';
import { clockOf } from '../../../connectors/kit/testing/test-clock.ts';
import { freshDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { grantConsent, revokeConsent } from '../../../schema/database/hub/consents.ts';
import { Consents } from './consents.ts';

let database: Awaited<ReturnType<typeof freshDatabase>>;
let consents: Consents;
let now = new Date('2026-03-02T08:00:00Z');
const portal: Principal = { ...HUB_PRINCIPAL, subject: 'officer', client: 'city-portal', consents: new Set() };
const grant = (company: string, expiresAt: Date | null = null) =>
  database.transaction((tx) =>
    grantConsent(tx, { company, client: 'city-portal', purpose: 'tax', expiresAt, by: 'ms-lin', at: now }),
  );
const held = async () => [...(await consents.current(portal)).consents];
/** The word of a change takes a moment. */
const soon = async (wanted: readonly string[]) => {
  for (let i = 0; i < 200 && (await held()).join() !== wanted.join(); i++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  expect(await held()).toEqual(wanted);
};

beforeAll(async () => {
  database = await freshDatabase();
  consents = new Consents(
    database,
    clockOf(() => now),
  );
  await consents.open();
});
afterAll(async () => {
  await consents.close();
  await database.drop();
});

test('a grant and a revocation in another process are known at once; an expired one holds no longer', async () => {
  expect(await held()).toEqual([]);
  const first = await grant('A');
  await soon(['tax@A']);
  const same = await consents.current(portal);
  expect(await consents.current(portal)).toBe(same);
  await grant('B', new Date(now.getTime() + 60_000));
  await soon(['tax@A', 'tax@B']);
  now = new Date(now.getTime() + 61_000);
  expect(await held()).toEqual(['tax@A']);
  await database.transaction((tx) => revokeConsent(tx, first.id, 'ms-lin', now));
  await soon([]);
  expect([...(await consents.current({ ...portal, client: 'other' })).consents]).toEqual([]);
});
