import { expect, test } from 'vitest';
import { isOldXiamen, parsePlate, parseUscc } from './identifiers.ts';

test('a code that Xiamen made before 2016 may fail its last check, and no other check, and nobody else’s may', () => {
  expect(parseUscc('91350203M0001QKT19')).toBe('91350203M0001QKT19');
  expect(isOldXiamen('91350203M0001QKT19')).toBe(true);
  expect(isOldXiamen('91350211M000100Y46')).toBe(false);
  // Another character in the organisation code, another city, a code of the standard's own numbers, another kind of body.
  for (const code of ['91350203M0001QKT29', '91350103M0001QKT19', '91350203MA5U0H4T20', '12350203M0001QKT19']) {
    expect(parseUscc(code), code).toBeNull();
  }
  expect(parseUscc('12440600MB2C07549J')).toBe('12440600MB2C07549J');
});

test('plates of new forms are plates, and what only looks like one is none', () => {
  for (const plate of ['京AA12345', '沪AE22075']) expect(parsePlate(plate)).toBe(plate);
  for (const text of ['浙苏H6F681', '宁AD1234555555']) expect(parsePlate(text)).toBeNull();
});
