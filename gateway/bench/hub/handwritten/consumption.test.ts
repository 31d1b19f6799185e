import { expect, test } from 'vitest';
import { fromMillionths, HourlyConsumption } from './consumption.ts';

const HOUR = 3_600_000;
/** Readings at these hours. */
const readings = (...all: readonly (readonly [hour: number, value: string])[]) =>
  all.map(([hour, value]) => `${hour * HOUR} ${value}`).join(',');

function buckets(text: string, hours: number, modulus: string | null = null) {
  const consumption = new HourlyConsumption(0, hours * HOUR);
  consumption.add(text, modulus);
  const { buckets, total } = consumption.result();
  return [buckets.map(({ value }) => value), total];
}

test('consumption: an increase belongs to the hour in which it begins, and meters are added up exactly', () => {
  const consumption = new HourlyConsumption(0, 2 * HOUR);
  consumption.add(readings([-1, '9.5'], [0, '10'], [1, '10.1'], [2, '10.3']), null);
  consumption.add(readings([0, '0.2'], [1, '0.4'], [2, '0.4']), null);
  expect(consumption.result()).toEqual({
    buckets: [
      { start: '1970-01-01T00:00:00.000Z', value: '0.3' },
      { start: '1970-01-01T01:00:00.000Z', value: '0.2' },
    ],
    total: '0.5',
  });
});

test('consumption: gaps, odd readings, resets and roll-overs follow the rules of the hub', () => {
  expect(buckets(readings([0, '10'], [3, '16']), 4)).toEqual([[null, null, '6', null], '6']);
  expect(buckets(readings([0, '10'], [1, '99'], [2, '12'], [3, '13']), 3)).toEqual([['2', null, '1'], '3']);
  expect(buckets(readings([0, '499'], [1, '500'], [2, '3'], [3, '5']), 3, '1000')).toEqual([['1', null, '2'], '3']);
  expect(buckets(readings([0, '994'], [1, '995'], [2, '3'], [3, '5']), 3, '1000')).toEqual([['1', '8', '2'], '11']);
  expect(buckets('', 1)).toEqual([[null], null]);
});

test('consumption: a register that cannot be added up exactly is an error', () => {
  expect(() => buckets(readings([0, '1.1234567'], [1, '2']), 1)).toThrow('more digits');
  expect(fromMillionths(-1_500_000)).toBe('-1.5');
});
