/** Preloaded into the hub's process: shifts its wall clock when the parent sends a message. Only `Date` moves, as when a machine's clock is set. */
import { shiftSystemDate } from '../../connectors/kit/testing/test-clock.ts';

let undo = (): void => undefined;
process.on('message', (message: { set?: number }) => {
  if (typeof message.set !== 'number') return;
  undo();
  undo = shiftSystemDate(message.set);
  process.send?.({ wall: Date.now() });
});
// The channel to the parent must not keep the process alive.
process.channel?.unref();
