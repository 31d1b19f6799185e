/** Nothing is lost, nothing comes twice, whatever is killed: the short form of `npm run test:kill`. Its seed is ISTHMUS_SEED. */
import { expect, test } from 'vitest';
import { killTest } from './kill/scenario.ts';

test('what is delivered equals the log, in order, none twice', { timeout: 240_000 }, async () => {
  const size = { events: 3_000, kills: 60, reloads: 2 };
  const figures = await killTest({
    ...size,
    listeners: 4,
    short: true,
    seed: Number(process.env['ISTHMUS_SEED'] ?? 4),
  });
  expect(figures).toMatchObject({
    kills: size.kills,
    reloads: size.reloads,
    blows: ['kill -9 of a hub', 'database restarted', 'replica switched off'],
  });
  expect(figures.breaks).toBeGreaterThanOrEqual(size.kills);
});
