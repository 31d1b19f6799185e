import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HUB_PRINCIPAL, type Principal } from '../../../connectors/kit/auth/principal.ts';
import { entriesOf } from './access-recorder.ts';
import { readWatch } from './protected-fields.ts';

const watch = readWatch(
  readFileSync(join(import.meta.dirname, '..', '..', '..', 'schema', 'supergraph.graphql'), 'utf8'),
);
const clerk: Principal = { ...HUB_PRINCIPAL, subject: 'clerk-12', client: 'city-portal', roles: ['portal'] };
const touch = (fields: string[], companies: string[] = ['A']) => ({
  fields: new Set(fields),
  subjects: new Map([['Company', new Set(companies)]]),
});
const told = (touched: Partial<Parameters<typeof entriesOf>[0]['touched']>, principal: Principal = clerk) =>
  entriesOf({ touched: { shown: null, masked: null, refused: null, ...touched }, principal, query: '{ a }' }, watch);

test('what the graph protects is watched, and the rest is not', () => {
  const at = (type: string, field: string, returns = 'String') => watch.watched({ type, field, returns });
  for (const [type, field, returns] of [
    ['Company', 'tax', 'TaxAccount'],
    ['Company', 'registration', 'Registration'],
    ['Company', 'accessLog', 'AccessLogConnection'],
    ['VehicleEntered', 'vehicle', 'Vehicle'],
    ['Vehicle', 'colour'],
    ['Presence', 'people', 'PersonConnection'],
    ['Mutation', 'grantConsent', 'GrantConsentPayload'],
    ['Query', '_delivery', 'EventDelivery'],
  ] as const)
    expect(at(type, field, returns), `${type}.${field}`).toBe(true);
  expect([at('Company', 'name'), at('Query', 'company', 'Company'), at('Park', 'lots', 'ParkingLot')]).toEqual([
    false,
    false,
    false,
  ]);
  expect(watch.subjects).toEqual(expect.objectContaining(new Map([['Company', 'uscc']])));
  expect([...watch.subjects.keys()]).toEqual(
    expect.arrayContaining(['Company', 'Vehicle', 'Badge', 'Person', 'Meter', 'Case']),
  );
  expect(watch.purposes.get('Company.tax')).toEqual(['tax']);
});

test('one entry for each way in which something ended, with the ground on which it was shown', () => {
  expect(
    told({ shown: touch(['Company.tax', 'TaxAccount.standing']), refused: touch(['Company.badges']) }),
  ).toMatchObject([
    { outcome: 'ALLOWED', basis: 'consent:tax', purpose: 'tax', onBehalfOf: [], entities: { Company: ['A'] } },
    { outcome: 'REFUSED', basis: 'none', purpose: null },
  ]);
  const own: Principal = { ...clerk, roles: ['company'], companies: ['A'] };
  expect(told({ shown: touch(['Company.tax']) }, own)).toMatchObject([{ basis: 'own', onBehalfOf: ['A'] }]);
  // A portal that acts for a company does so by the company's consent, or by its role.
  const forIt: Principal = { ...clerk, companies: ['A'] };
  expect(told({ shown: touch(['Company.tax']) }, forIt)).toMatchObject([{ basis: 'consent:tax', onBehalfOf: ['A'] }]);
  expect(told({ shown: touch(['Registration.status']) }, forIt)).toMatchObject([{ basis: 'role:portal' }]);
  expect(told({ masked: touch(['Vehicle.plate'], ['A', 'B']) }, own)).toMatchObject([
    { outcome: 'MASKED', basis: 'role:company' },
  ]);
  expect(told({ shown: touch(['Registration.status']) }, { ...clerk, purpose: 'licence' })).toMatchObject([
    { basis: 'role:portal', purpose: 'licence', who: [{ subject: 'clerk-12', client: 'city-portal' }] },
  ]);
});

test('a group of subscribers is named once each', () => {
  const readers = [
    { subject: 'a', client: 'x' },
    { subject: 'b', client: 'x' },
    { subject: 'a', client: 'x' },
  ];
  const touched = { shown: touch(['VehicleEntered.time']), masked: null, refused: null };
  expect(entriesOf({ touched, principal: clerk, readers, query: '{ a }' }, watch)[0]?.who).toEqual(readers.slice(0, 2));
});
