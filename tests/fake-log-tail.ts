/** A fake log tail that grows when the test calls `grow`. */
import type { LogTail } from '../gateway/live/log-tail.ts';

export interface FakeLogTail {
  readonly tail: LogTail;
  /** Simulates that `count` more events were committed. */
  grow(count: number): void;
  /** Ends all waiting. */
  close(): void;
}

export function fakeLogTail(): FakeLogTail {
  let wake = (): void => undefined;
  const tail = {
    head: 0n,
    closed: false,
    waitBeyond: async (position: bigint, signal: AbortSignal) => {
      while (tail.head <= position && !signal.aborted && !tail.closed)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return tail.head;
    },
  };
  return {
    tail: tail as unknown as LogTail,
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
