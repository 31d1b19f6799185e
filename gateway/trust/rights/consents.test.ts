import { afterAll, beforeAll, expect, test } from 'vitest';
import { HUB_PRINCIPAL, type Principal } from '../../../connectors/kit/auth/principal.ts';
import { clockFrom } from '../../../connectors/kit/testing/test-clock.ts';
import { createTestDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { grantConsent, revokeConsent } from '../../../schema/database/hub/consents.ts';
import { Consents } from './consents.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let consents: Consents;
let now = new Date('2026-03-02T08:00:00Z');
const portal: Principal = { ...HUB_PRINCIPAL, subject: 'officer', client: 'city-portal', consents: new Set() };
const grant = (company: string, expiresAt: Date | null = null) =>
  database.transaction((tx) =>
    grantConsent(tx, { company, client: 'city-portal', purpose: 'tax', expiresAt, by: 'ms-lin', at: now }),
  );
const held = async () => [...(await consents.withConsents(portal)).consents];
/** The notification takes a moment. */
const soon = async (wanted: readonly string[]) => {
  for (let i = 0; i < 200 && (await held()).join() !== wanted.join(); i++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  expect(await held()).toEqual(wanted);
};

beforeAll(async () => {
  database = await createTestDatabase();
  consents = new Consents(
    database,
    clockFrom(() => now),
  );
  await consents.open();
});
afterAll(async () => {
  await consents.close();
  await database.drop();
});

test('consents: applies grants, revocations and expiry from other processes at once', async () => {
  expect(await held()).toEqual([]);
  const first = await grant('A');
  await soon(['tax@A']);
  const same = await consents.withConsents(portal);
  expect(await consents.withConsents(portal)).toBe(same);
  await grant('B', new Date(now.getTime() + 60_000));
  await soon(['tax@A', 'tax@B']);
  now = new Date(now.getTime() + 61_000);
  expect(await held()).toEqual(['tax@A']);
  await database.transaction((tx) => revokeConsent(tx, first.id, 'ms-lin', now));
  await soon([]);
  expect([...(await consents.withConsents({ ...portal, client: 'other' })).consents]).toEqual([]);
});
