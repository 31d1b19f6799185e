import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { local, readXml, type XmlElement } from '../kit/protocols/soap.ts';
import { ELEMENTS, elementsOf, entry } from './mapping.ts';

const answer = readXml(readFileSync(join(import.meta.dirname, 'fixtures', 'company.in.xml'), 'utf8'));

const without = (name: string): XmlElement => ({
  ...answer,
  children: answer.children.map((one) => ({ ...one, children: one.children.filter((each) => local(each) !== name) })),
});
const mapped = (of: XmlElement): string => {
  try {
    return JSON.stringify(entry(of));
  } catch (error) {
    return String(error);
  }
};
/** Elements that a sound register leaves out: without a currency it means yuan, and not every entry was changed. */
const OPTIONAL = ['REGCAPCUR', 'CHANGED'];

test('each element without which an entry says something else is watched', () => {
  const { names } = elementsOf(answer);
  const read = [...names].filter((name) => mapped(without(name)) !== mapped(answer));
  expect(read.filter((name) => !OPTIONAL.includes(name)).sort()).toEqual(Object.keys(ELEMENTS).sort());
});
