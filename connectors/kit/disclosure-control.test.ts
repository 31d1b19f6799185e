import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Group, withheldGroups } from './disclosure-control.ts';

const withheld = (groups: Readonly<Record<string, string>>, none = '') => {
  const all: Group[] = Object.entries(groups).map(([key, members]) => ({ key, members: [...members] }));
  const found = withheldGroups([...all, ...(none ? [{ key: null, members: [...none] }] : [])], 3);
  return { total: found.total, groups: [...found.groups].sort() };
};

test('disclosure control: withholds a further group so that a small one cannot be computed from the total', () => {
  expect(withheld({ b1: 'A', b2: 'ABCD', b3: 'BCD' })).toEqual({ total: false, groups: ['b1', 'b3'] });
});

test('disclosure control: withholds no further group if the small ones have enough members together', () => {
  expect(withheld({ b1: 'AB', b2: 'CD', b3: 'EFG' })).toEqual({ total: false, groups: ['b1', 'b2'] });
});

test('disclosure control: counts members without a group as a withheld group', () => {
  expect(withheld({ b1: 'BCD', b2: '' }, 'A')).toEqual({ total: false, groups: ['b1'] });
});

test('disclosure control: withholds a total of few members; empty groups do not count', () => {
  expect(withheld({ b1: 'AB' })).toEqual({ total: true, groups: ['b1'] });
  expect(withheld({ b1: '', b2: 'ABC' })).toEqual({ total: false, groups: [] });
});

test('disclosure control: never publishes a group or a remainder of few members', () => {
  const group = fc.record({
    key: fc.constantFrom('b1', 'b2', 'b3', 'b4', 'b5', null),
    members: fc.uniqueArray(fc.constantFrom(...'ABCDEFG'), { maxLength: 5 }),
  });
  fc.assert(
    fc.property(fc.uniqueArray(group, { selector: (one) => one.key, maxLength: 6 }), (groups) => {
      const found = withheldGroups(groups, 3);
      const size = (part: readonly Group[]) => new Set(part.flatMap(({ members }) => members)).size;
      const shown = groups.filter(({ key }) => key !== null && !found.groups.has(key));
      for (const one of shown) expect([1, 2]).not.toContain(size([one]));
      if (found.total) return;
      expect([1, 2]).not.toContain(size(groups));
      expect([1, 2]).not.toContain(size(groups.filter((one) => !shown.includes(one))));
    }),
  );
});
