/** Loaded before a hub's process: sets its wall clock when its parent says so. Only `Date` moves, as on a machine whose clock is set. */
import { setDate } from '../../connectors/kit/testing/test-clock.ts';

let undo = (): void => undefined;
process.on('message', (told: { set?: number }) => {
  if (typeof told.set !== 'number') return;
  undo();
  undo = setDate(told.set);
  process.send?.({ wall: Date.now() });
});
// The parent's word must not keep the process alive.
process.channel?.unref();
