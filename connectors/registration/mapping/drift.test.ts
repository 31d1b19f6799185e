import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { localName, readXml, type XmlElement } from '../../kit/protocols/soap.ts';
import { elementNames, WATCHED_ELEMENTS } from './drift.ts';
import { parseEntry } from './index.ts';

const response = readXml(readFileSync(join(import.meta.dirname, '..', 'fixtures', 'company.in.xml'), 'utf8'));

const without = (name: string): XmlElement => ({
  ...response,
  children: response.children.map((company) => ({
    ...company,
    children: company.children.filter((element) => localName(element) !== name),
  })),
});
const mapped = (of: XmlElement): string => {
  try {
    return JSON.stringify(parseEntry(of));
  } catch (error) {
    return String(error);
  }
};
/** Optional elements: the default currency is CNY, and an unchanged entry has no change time. */
const OPTIONAL = ['REGCAPCUR', 'CHANGED'];

test('registration drift: each element whose absence changes the mapped entry is watched', () => {
  const { names } = elementNames(response);
  const read = [...names].filter((name) => mapped(without(name)) !== mapped(response));
  expect(read.filter((name) => !OPTIONAL.includes(name)).sort()).toEqual(Object.keys(WATCHED_ELEMENTS).sort());
});
