import { expect, test } from 'vitest';
import { HUB_PRINCIPAL, type Principal } from './principal.ts';
import { type Owner, type ParkLookup, RowRights } from './row-rights.ts';

const KNOWN: Readonly<Record<string, readonly string[]>> = { A: ['north'], B: ['south'], BOTH: ['north', 'south'] };
const lookup: ParkLookup = {
  parkOfBuilding: () => null,
  parkOfRecord: () => null,
  parksOfCompany: async (uscc, parks) => (KNOWN[uscc] ?? []).filter((one) => parks === null || parks.includes(one)),
};
const rights = (narrow: Partial<Principal>) => new RowRights({ ...HUB_PRINCIPAL, ...narrow }, lookup);

const OWNERS: Readonly<Record<string, Owner>> = {
  nobody: {},
  'a park': { park: 'north' },
  'another park': { park: 'south' },
  'a company': { company: 'A' },
  'a company of another park': { company: 'B' },
  'a company that both parks know': { company: 'BOTH' },
  'such a company as a whole': { company: 'BOTH', everyPark: true },
  'a company of one park as a whole': { company: 'A', everyPark: true },
  'a company that no park knows': { company: 'X' },
  'a company in the park': { park: 'north', company: 'X' },
  'one of several companies': { park: 'north', company: ['X', 'A'] },
  'a park that is not known': { park: null },
  'a company that is not known': { park: 'north', company: null },
  'nobody who is known': { park: null, company: null },
};

const seen = async (narrow: Partial<Principal>): Promise<string[]> => {
  const all = await Promise.all(Object.values(OWNERS).map((owner) => rights(narrow).maySee(owner)));
  return Object.keys(OWNERS).filter((_, i) => all[i]);
};

test('row rights: an unrestricted caller sees every row', async () => {
  expect(await seen({})).toEqual(Object.keys(OWNERS));
});

test('row rights: a caller of one park sees its rows and the companies known there', async () => {
  expect(await seen({ parks: ['north'] })).toEqual([
    'nobody',
    'a park',
    'a company',
    'a company that both parks know',
    'a company of one park as a whole',
    'a company in the park',
    'one of several companies',
    'a company that is not known',
  ]);
});

test('row rights: a caller of one company sees its rows in every park, and rows without a company', async () => {
  expect(await seen({ companies: ['A'] })).toEqual([
    'nobody',
    'a park',
    'another park',
    'a company',
    'a company of one park as a whole',
    'one of several companies',
    'a park that is not known',
  ]);
});

test('row rights: restrictions by park and company apply together', async () => {
  expect(await seen({ parks: ['south'], companies: ['A'] })).toEqual(['nobody', 'another park']);
  expect(await seen({ parks: [], companies: null })).toEqual(['nobody']);
});

test('row rights: rejects mutations for a company that the caller may not act for', () => {
  expect(() => rights({ companies: ['A'] }).assertMayActFor('A')).not.toThrow();
  expect(() => rights({ companies: ['A'] }).assertMayActFor('B')).toThrow('Not permitted to act for this company');
  expect(() => rights({ companies: ['A'] }).assertMayActFor(null)).toThrow('Not permitted to act for this company');
  expect(() => rights({ parks: ['north'] }).assertMayActFor('B')).not.toThrow();
});
