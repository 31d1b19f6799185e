import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../../../connectors/kit/testing/test-database.ts';
import { companiesByCodes, companiesWithIdentifiers } from './companies.ts';
import { identifiersOf, saveClaims } from './identities.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
const by = { installation: 'register', connector: 'registration', park: 'p', at: new Date('2026-03-01T12:00:00Z') };
const claim = (key: string, value: string, name: string | null = null) => ({
  ...{ entity: 'COMPANY', key, system: 'tenant-no', value, name },
});
const save = (of: Partial<typeof by>, ...claims: ReturnType<typeof claim>[]) =>
  database.transaction((tx) => saveClaims(tx, { ...by, ...of }, claims));
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

test('companies: one statement reads them with their ids as two do', async () => {
  await save({}, claim('C1', '9', 'One'), claim('C1', '10', 'One'), claim('C2', '3', 'Two'));
  await save({ installation: 'doors' }, claim('C1', '9'));
  await database.plain.query("INSERT INTO company (uscc) VALUES ('C3')");
  const codes = ['C1', 'C2', 'C3', 'C4'];
  const companies = await companiesByCodes(database.requests, codes);
  const identifiers = await identifiersOf(database.requests, 'COMPANY', codes);
  const found = await companiesWithIdentifiers(database.requests, codes);
  expect([...found.keys()]).toEqual(['C1', 'C2', 'C3']);
  for (const [uscc, company] of found) {
    expect(company).toMatchObject(companies.get(uscc) ?? {});
    expect(company.identifiers).toMatchObject(identifiers.get(uscc) ?? []);
    expect(company.identifiers).toHaveLength({ C1: 3, C2: 1, C3: 0 }[uscc] ?? -1);
  }
});

test('companies: a name is written when it changes, and its time once a minute', async () => {
  const stored = async () => (await companiesByCodes(database.requests, ['C5'])).get('C5');
  const at = (seconds: number) => ({ at: new Date(by.at.getTime() + seconds * 1_000) });
  await save({}, claim('C5', '1', 'Before'));
  await save(at(30), claim('C5', '1', 'Before'));
  expect(await stored()).toMatchObject({ name: 'Before', nameFetchedAt: by.at });
  await save(at(40), claim('C5', '1', 'After'));
  expect(await stored()).toMatchObject({ name: 'After', sortName: 'After', nameFetchedAt: at(40).at });
  await save(at(120), claim('C5', '1', 'After'));
  expect(await stored()).toMatchObject({ name: 'After', nameFetchedAt: at(120).at });
});
