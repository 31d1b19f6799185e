/**
 * Repeats a recent 429 to a caller that is over budget and sends more requests: by the `authorization` header alone, before any other
 * work, so that rejected requests cost next to nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LRUCache } from 'lru-cache';
import type { HubError } from '../../connectors/kit/errors.ts';
import { errorResponse } from './responses.ts';
import { SECURITY_HEADERS } from './security/security-headers.ts';

/** Bytes. A longer body is rejected elsewhere, where the connection is closed instead of reading it. */
const MAX_SKIPPED_BODY = 65_536;
/** Milliseconds for which a rejection is repeated at most. */
const MAX_AGE = 1_000;

interface Rejection {
  /** By `performance.now()`. */
  readonly until: number;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** The latest rejection by value of the `authorization` header. */
export class RejectionCache {
  readonly #rejections = new LRUCache<string, Rejection>({ max: 1_000 });

  /** Remembers the rejection for `milliseconds`, one second at most. Does nothing for a request without a token. */
  remember(request: IncomingMessage, error: HubError, milliseconds: number): void {
    const { authorization } = request.headers;
    if (authorization === undefined) return;
    const { headers, body } = errorResponse(error, 429);
    const bytes = Buffer.from(body);
    this.#rejections.set(authorization, {
      until: performance.now() + Math.min(milliseconds, MAX_AGE),
      headers: Object.entries({
        ...SECURITY_HEADERS,
        ...headers,
        'content-length': String(bytes.length),
        'retry-after': String(error.extensions['retryAfter'] ?? 1),
      }).flat(),
      body: bytes,
    });
  }

  /** Responds with the remembered rejection; false when there is none and the request must be processed. */
  repeat(request: IncomingMessage, response: ServerResponse): boolean {
    const { authorization } = request.headers;
    const rejection = authorization === undefined ? undefined : this.#rejections.get(authorization);
    if (!rejection) return false;
    if (rejection.until <= performance.now()) {
      this.#rejections.delete(authorization as string);
      return false;
    }
    // NaN: a body of undeclared length.
    if (!(Number(request.headers['content-length'] ?? Number.NaN) <= MAX_SKIPPED_BODY)) return false;
    response.writeHead(429, rejection.headers as string[]);
    response.end(rejection.body);
    return true;
  }
}
