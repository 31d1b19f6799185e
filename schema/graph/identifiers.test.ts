import { expect, test } from 'vitest';
import { isEarlyXiamenUscc, parsePlate, parseUscc } from './identifiers.ts';

test('identifiers: accepts a wrong last check character only in codes that Xiamen issued before 2016', () => {
  expect(parseUscc('91350203M0001QKT19')).toBe('91350203M0001QKT19');
  expect(isEarlyXiamenUscc('91350203M0001QKT19')).toBe(true);
  expect(isEarlyXiamenUscc('91350211M000100Y46')).toBe(false);
  // Wrong organisation code, another city, a code outside the old number range, another kind of body.
  for (const code of ['91350203M0001QKT29', '91350103M0001QKT19', '91350203MA5U0H4T20', '12350203M0001QKT19']) {
    expect(parseUscc(code), code).toBeNull();
  }
  expect(parseUscc('12440600MB2C07549J')).toBe('12440600MB2C07549J');
});

test('identifiers: accepts new plate formats and rejects similar strings', () => {
  for (const plate of ['京AA12345', '沪AE22075']) expect(parsePlate(plate)).toBe(plate);
  for (const text of ['浙苏H6F681', '宁AD1234555555']) expect(parsePlate(text)).toBeNull();
});
