/** Exactly-once delivery while processes are killed: the short version of `npm run test:kill`. Its seed is ISTHMUS_SEED. */
import { expect, test } from 'vitest';
import { killTest } from './kill/scenario.ts';

test('kill test: delivers the log in order and without duplicates while sockets, hubs and the database are killed', {
  timeout: 240_000,
}, async () => {
  const size = { events: 3_000, kills: 60, reloads: 2 };
  const figures = await killTest({
    ...size,
    subscribers: 4,
    short: true,
    seed: Number(process.env['ISTHMUS_SEED'] ?? 4),
  });
  expect(figures).toMatchObject({
    kills: size.kills,
    reloads: size.reloads,
    failures: ['kill -9 of a hub', 'database restarted', 'replica switched off'],
  });
  expect(figures.disconnects).toBeGreaterThanOrEqual(size.kills);
});
