/** Consumption from sums equals consumption from all readings, for random histories. `npm run show:rollups` plays more of them. */
import { expect, test } from 'vitest';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { playHistories } from './rollups/history.ts';

/** ISTHMUS_SEED repeats a run; ISTHMUS_CASES makes it longer. */
const SEED = Number(process.env['ISTHMUS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const CASES = Number(process.env['ISTHMUS_CASES'] ?? 12);

test(
  `rollups: answers equal a scan of all readings, ${CASES} histories from seed ${SEED}`,
  async () => {
    const counts = await playHistories(createTestDatabase, SEED, CASES);
    expect(counts.questions).toBeGreaterThan(CASES);
  },
  30_000 + 5_000 * CASES,
);
