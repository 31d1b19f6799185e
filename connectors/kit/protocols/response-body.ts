/**
 * Reads responses of sources into memory. Limits the size of one response and of all responses that this process is reading. For every
 * response that is read as a whole: `readResponse` for one, `ResponseBuffer` for the pages of a list.
 */

import { DEFAULT_LIMITS } from '../config/sections/limits.ts';
import { malformed, type SourceError, unavailable } from '../errors.ts';
import { SharedBudget } from '../tasks/shared-budget.ts';

/** Bytes of all responses that are being read in this process. */
export const bufferedResponseBytes = new SharedBudget(DEFAULT_LIMITS.sourceBytes);
let maxResponseBytes = DEFAULT_LIMITS.sourceAnswer;
/** The pages of one list together may be so many times the size of one response. */
const LIST_FACTOR = 4;

/** Sets `limits.sourceAnswer` and `limits.sourceBytes` for this process. */
export function setResponseLimits(limits: { readonly sourceAnswer: number; readonly sourceBytes: number }): void {
  maxResponseBytes = limits.sourceAnswer;
  bufferedResponseBytes.limit = limits.sourceBytes;
}

/** An HTTP response whose body is not read yet. */
export interface UnreadResponse {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: AsyncIterable<Uint8Array> & { destroy?(): unknown };
}

/** The responses of one call; their bytes count against the limit until `release`. */
export class ResponseBuffer {
  #bytes = 0;

  /**
   * Reads the body of a response. Rejects with SOURCE_MALFORMED if it is too large, before reading it if it has a Content-Length; with
   * SOURCE_UNAVAILABLE (not a failure of the source) if the limit of this process is reached.
   */
  async read({ headers, body }: UnreadResponse): Promise<Buffer> {
    const length = Number(headers['content-length']);
    try {
      if (length > maxResponseBytes) throw tooLarge('response', maxResponseBytes);
      const parts: Uint8Array[] = [];
      let size = 0;
      for await (const part of body) {
        size += part.length;
        if (size > maxResponseBytes) throw tooLarge('response', maxResponseBytes);
        if (this.#bytes + part.length > LIST_FACTOR * maxResponseBytes)
          throw tooLarge('list', LIST_FACTOR * maxResponseBytes);
        if (!bufferedResponseBytes.tryReserve(part.length)) throw processLimitReached();
        this.#bytes += part.length;
        parts.push(part);
      }
      return Buffer.concat(parts);
    } catch (error) {
      body.destroy?.();
      throw error;
    }
  }

  /** To be called when the responses are no longer referenced. May be called more than once. */
  release(): void {
    bufferedResponseBytes.release(this.#bytes);
    this.#bytes = 0;
  }
}

function tooLarge(what: 'response' | 'list', limit: number): SourceError {
  return malformed(`${what} is larger than ${limit} bytes (limits.sourceAnswer)`);
}

function processLimitReached(): SourceError {
  const error = unavailable('this process is reading too many bytes of responses (limits.sourceBytes)');
  error.causedByCaller = true;
  return error;
}

/** Reads one response and passes its bytes to `use`. They count against the limit until `use` returns. */
export async function readResponse<T>(response: UnreadResponse, use: (bytes: Buffer) => T): Promise<T> {
  const buffer = new ResponseBuffer();
  try {
    return use(await buffer.read(response));
  } finally {
    buffer.release();
  }
}
