/** Messages received from the broker that wait for their commit: forms batches, and tells when the socket must pause. */
import { CommitQueueShare } from '../../kit/tasks/commit-queue.ts';

export interface MqttMessage {
  readonly topic: string;
  readonly payload: Buffer;
}

export interface QueuedMessage {
  readonly message: MqttMessage;
  /** Null at QoS 0. */
  readonly packetId: number | null;
}

/** Maximum messages of one batch; and bytes, unless a single message is larger. */
const BATCH_MESSAGES = 500;
const BATCH_BYTES = 4 * 1024 * 1024;
/** Queued messages and bytes at which the socket pauses. */
export const MAX_QUEUED_MESSAGES = 4 * BATCH_MESSAGES;
const MAX_QUEUED_BYTES = 4 * BATCH_BYTES;

export class MessageQueue {
  #messages: QueuedMessage[] = [];
  /** Payload bytes in `#messages`. */
  #bytes = 0;
  /** This session's share of what waits for a commit in the process. */
  readonly #share = new CommitQueueShare();

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  /** Whether the socket must pause. A session with an empty queue is not paused because the process is full. */
  get isFull(): boolean {
    return (
      this.#messages.length >= MAX_QUEUED_MESSAGES ||
      this.#bytes >= MAX_QUEUED_BYTES ||
      (this.#share.isFull && !this.isEmpty)
    );
  }

  /**
   * Whether a paused socket may continue. `idle`: no batch of this session is being committed, so with an empty queue it continues
   * even while the process is full.
   */
  canResume({ idle }: { idle: boolean }): boolean {
    return (
      this.#messages.length < BATCH_MESSAGES &&
      this.#bytes < MAX_QUEUED_BYTES / 2 &&
      (!this.#share.isFull || (idle && this.isEmpty))
    );
  }

  add(queued: QueuedMessage): void {
    const { length } = queued.message.payload;
    this.#messages.push(queued);
    this.#bytes += length;
    this.#share.reserve(length);
  }

  /** Removes the next batch. Its share stays reserved until `release`. */
  takeBatch(): readonly QueuedMessage[] {
    let [count, bytes] = [0, 0];
    for (const { message } of this.#messages) {
      if (count === BATCH_MESSAGES || (count > 0 && bytes + message.payload.length > BATCH_BYTES)) break;
      count++;
      bytes += message.payload.length;
    }
    this.#bytes -= bytes;
    return this.#messages.splice(0, count);
  }

  /** Releases the share of a batch that is committed or has failed. */
  release(batch: readonly QueuedMessage[]): void {
    for (const { message } of batch) this.#share.release(message.payload.length);
  }

  /** Drops all queued messages. They are not acknowledged, so the broker sends them again. */
  clear(): void {
    this.release(this.#messages);
    this.#messages = [];
    this.#bytes = 0;
  }
}
