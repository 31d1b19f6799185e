/** The tail of an event log that grows when a test says so. */
import type { Tail } from '../gateway/live/log-tail.ts';

export interface SteppedTail {
  readonly tail: Tail;
  /** So many events more have been committed. */
  grow(count: number): void;
  /** Nobody waits for events any more. */
  close(): void;
}

export function steppedTail(): SteppedTail {
  let wake = (): void => undefined;
  const tail = {
    head: 0n,
    closed: false,
    beyond: async (position: bigint, signal: AbortSignal) => {
      while (tail.head <= position && !signal.aborted && !tail.closed)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return tail.head;
    },
  };
  return {
    tail: tail as unknown as Tail,
    grow: (count) => {
      tail.head += BigInt(count);
      wake();
    },
    close: () => {
      tail.closed = true;
      wake();
    },
  };
}
