import { expect, test } from 'vitest';
import { Fit } from './drift-detector.ts';

/** What is found after these values of a counter that ends at `modulus`. */
function counted(values: readonly number[], modulus: number | null) {
  let told = 0;
  const fit = new Fit(
    () => told++,
    () => 0,
  );
  for (const value of values) fit.counted('E-1', value, modulus);
  return { told, drift: fit.drift().map((one) => one.what) };
}
const BACKWARDS = {
  told: 1,
  drift: ['the register of meter E-1 ran backwards (replaced, or another register map)'],
};

test('a counter that falls has rolled over when it was near its end, else it ran backwards', () => {
  expect(counted([980, 995, 3, 5], 1_000)).toEqual({ told: 0, drift: [] });
  expect(counted([500, 510, 3, 5], 1_000)).toEqual(BACKWARDS);
  expect(counted([890, 3], 1_000)).toEqual(BACKWARDS);
  expect(counted([995, 3], null)).toEqual(BACKWARDS);
});

test('a counter that falls from its end to far beyond its beginning has not rolled over', () => {
  expect(counted([995, 500], 1_000)).toEqual(BACKWARDS);
});
