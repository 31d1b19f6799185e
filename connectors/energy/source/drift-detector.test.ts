import { expect, test } from 'vitest';
import { DriftDetector } from './drift-detector.ts';

/** The drift after these values of a counter with this modulus, and the number of change notifications. */
function counted(values: readonly number[], modulus: number | null) {
  let changes = 0;
  const fit = new DriftDetector(
    () => changes++,
    () => 0,
  );
  for (const value of values) fit.recordCounter('E-1', value, modulus);
  return { changes, drift: fit.drift().map((one) => one.description) };
}
const BACKWARDS = {
  changes: 1,
  drift: ['the register of meter E-1 ran backwards (replaced, or another register map)'],
};

test('drift detector: a counter that decreases has rolled over when it was near its end, else it ran backwards', () => {
  expect(counted([980, 995, 3, 5], 1_000)).toEqual({ changes: 0, drift: [] });
  expect(counted([500, 510, 3, 5], 1_000)).toEqual(BACKWARDS);
  expect(counted([890, 3], 1_000)).toEqual(BACKWARDS);
  expect(counted([995, 3], null)).toEqual(BACKWARDS);
});

test('drift detector: a counter that decreases from its end to far from its start has not rolled over', () => {
  expect(counted([995, 500], 1_000)).toEqual(BACKWARDS);
});
