import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HUB_PRINCIPAL, type Principal } from '../../../connectors/kit/auth/principal.ts';
import { toAccessRecords } from './access-recorder.ts';
import { readProtectedFields } from './protected-fields.ts';

const protectedFields = readProtectedFields(
  readFileSync(join(import.meta.dirname, '..', '..', '..', 'schema', 'supergraph.graphql'), 'utf8'),
);
const clerk: Principal = { ...HUB_PRINCIPAL, subject: 'clerk-12', client: 'city-portal', roles: ['portal'] };
const accessed = (fields: string[], companies: string[] = ['A']) => ({
  fields: new Set(fields),
  subjects: new Map([['Company', new Set(companies)]]),
});
const records = (outcomes: Partial<Parameters<typeof toAccessRecords>[0]['outcomes']>, principal: Principal = clerk) =>
  toAccessRecords(
    { outcomes: { visible: null, masked: null, denied: null, ...outcomes }, principal, query: '{ a }' },
    protectedFields,
  );

test('protected fields: exactly these fields are audited', () => {
  const at = (type: string, field: string, returns = 'String') => protectedFields.isProtected({ type, field, returns });
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
  expect(protectedFields.subjects).toEqual(expect.objectContaining(new Map([['Company', 'uscc']])));
  expect([...protectedFields.subjects.keys()]).toEqual(
    expect.arrayContaining(['Company', 'Vehicle', 'Badge', 'Person', 'Meter', 'Case']),
  );
  expect(protectedFields.purposes.get('Company.tax')).toEqual(['tax']);
});

test('access recorder: makes one record per outcome, with its legal basis', () => {
  expect(
    records({ visible: accessed(['Company.tax', 'TaxAccount.standing']), denied: accessed(['Company.badges']) }),
  ).toMatchObject([
    { outcome: 'ALLOWED', basis: 'consent:tax', purpose: 'tax', onBehalfOf: [], entities: { Company: ['A'] } },
    { outcome: 'REFUSED', basis: 'none', purpose: null },
  ]);
  const own: Principal = { ...clerk, roles: ['company'], companies: ['A'] };
  expect(records({ visible: accessed(['Company.tax']) }, own)).toMatchObject([{ basis: 'own', onBehalfOf: ['A'] }]);
  // A portal acts for a company by the company's consent, or by its own role.
  const forIt: Principal = { ...clerk, companies: ['A'] };
  expect(records({ visible: accessed(['Company.tax']) }, forIt)).toMatchObject([
    { basis: 'consent:tax', onBehalfOf: ['A'] },
  ]);
  expect(records({ visible: accessed(['Registration.status']) }, forIt)).toMatchObject([{ basis: 'role:portal' }]);
  expect(records({ masked: accessed(['Vehicle.plate'], ['A', 'B']) }, own)).toMatchObject([
    { outcome: 'MASKED', basis: 'role:company' },
  ]);
  expect(records({ visible: accessed(['Registration.status']) }, { ...clerk, purpose: 'licence' })).toMatchObject([
    { basis: 'role:portal', purpose: 'licence', who: [{ subject: 'clerk-12', client: 'city-portal' }] },
  ]);
});

test('access recorder: names each subscriber of a group once', () => {
  const readers = [
    { subject: 'a', client: 'x' },
    { subject: 'b', client: 'x' },
    { subject: 'a', client: 'x' },
  ];
  const outcomes = { visible: accessed(['VehicleEntered.time']), masked: null, denied: null };
  expect(toAccessRecords({ outcomes, principal: clerk, readers, query: '{ a }' }, protectedFields)[0]?.who).toEqual(
    readers.slice(0, 2),
  );
});
