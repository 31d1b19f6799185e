/**
 * Reading what sources answer: one answer is bounded, and so is all that this process holds of answers that are being read. Use it for
 * every answer that is read whole; `readAnswer` for one, `AnswerHold` for a list of pages that are held together.
 */

import { DEFAULT_LIMITS } from '../config/sections/limits.ts';
import { malformed, unavailable } from '../errors.ts';
import { Budget } from '../tasks/shared-budget.ts';

/** Bytes of all answers under way in this process. */
export const sourceBytes = new Budget(DEFAULT_LIMITS.sourceBytes);
let mostOfOne = DEFAULT_LIMITS.sourceAnswer;
/** The pages of one list may be so many times as much as one answer, together. */
const PAGES = 4;

/** Sets `limits.sourceAnswer` and `limits.sourceBytes` for this process. */
export function limitSourceAnswers(limits: { readonly sourceAnswer: number; readonly sourceBytes: number }): void {
  mostOfOne = limits.sourceAnswer;
  sourceBytes.most = limits.sourceBytes;
}

/** An answer over HTTP, its body not read yet. */
export interface UnreadAnswer {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: AsyncIterable<Uint8Array> & { destroy?(): unknown };
}

/** What one call holds of answers until it is released. */
export class AnswerHold {
  #held = 0;

  /**
   * The body of an answer. Rejects with SOURCE_MALFORMED when it is larger than one may be (told by its length, before it is read, where
   * it has one), and with SOURCE_UNAVAILABLE, which says nothing of the source, when this process is reading too much already.
   */
  async read({ headers, body }: UnreadAnswer): Promise<Buffer> {
    const length = Number(headers['content-length']);
    try {
      if (length > mostOfOne) throw malformed(`the answer is larger than ${mostOfOne} bytes (limits.sourceAnswer)`);
      const parts: Uint8Array[] = [];
      let size = 0;
      for await (const part of body) {
        size += part.length;
        if (size > mostOfOne) throw malformed(`the answer is larger than ${mostOfOne} bytes (limits.sourceAnswer)`);
        if (this.#held + part.length > PAGES * mostOfOne)
          throw malformed(`the pages of the list are larger than ${PAGES * mostOfOne} bytes (limits.sourceAnswer)`);
        if (!sourceBytes.take(part.length)) throw busy();
        this.#held += part.length;
        parts.push(part);
      }
      return Buffer.concat(parts);
    } catch (error) {
      body.destroy?.();
      throw error;
    }
  }

  /** To be called when the answers are no longer held; once or more often. */
  release(): void {
    sourceBytes.give(this.#held);
    this.#held = 0;
  }
}

function busy() {
  const fault = unavailable('this process is reading as many bytes of answers as it may (limits.sourceBytes)');
  fault.callers = true;
  return fault;
}

/** Reads one answer and hands its bytes to `use`; they count as held until that returns. */
export async function readAnswer<T>(answer: UnreadAnswer, use: (bytes: Buffer) => T): Promise<T> {
  const hold = new AnswerHold();
  try {
    return use(await hold.read(answer));
  } finally {
    hold.release();
  }
}
