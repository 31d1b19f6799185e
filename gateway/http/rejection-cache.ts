/**
 * Who has used up its points and asks on is answered by what it shows alone, before anything else is done: its refusals must cost
 * next to nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LRUCache } from 'lru-cache';
import type { HubError } from '../../connectors/kit/errors.ts';
import { fault } from './responses.ts';
import { SHIELD } from './security/security-headers.ts';

/** A body of so many bytes is passed over; for a longer one the connection ends. */
const PASSED_OVER = 65_536;
/** A refusal is repeated for so long at most, in milliseconds. */
const LONGEST = 1_000;

interface Refusal {
  readonly until: number;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** A refusal that has been told, by the header `authorization`; and its repetition. */
export class Spent {
  readonly #refusals = new LRUCache<string, Refusal>({ max: 1_000 });

  /** Keeps the refusal for `milliseconds`, where the caller has shown a token. */
  keep(request: IncomingMessage, error: HubError, milliseconds: number): void {
    const { authorization } = request.headers;
    if (authorization === undefined) return;
    const { headers, body } = fault(error, 429);
    const bytes = Buffer.from(body);
    this.#refusals.set(authorization, {
      until: performance.now() + Math.min(milliseconds, LONGEST),
      headers: Object.entries({
        ...SHIELD,
        ...headers,
        'content-length': String(bytes.length),
        'retry-after': String(error.extensions['retryAfter'] ?? 1),
      }).flat(),
      body: bytes,
    });
  }

  /** True when the request has been refused. */
  refused(request: IncomingMessage, response: ServerResponse): boolean {
    const { authorization } = request.headers;
    const known = authorization === undefined ? undefined : this.#refusals.get(authorization);
    if (!known) return false;
    if (known.until <= performance.now()) {
      this.#refusals.delete(authorization as string);
      return false;
    }
    // Not a number: it does not say how long it is.
    if (!(Number(request.headers['content-length'] ?? Number.NaN) <= PASSED_OVER)) return false;
    response.writeHead(429, known.headers as string[]);
    response.end(known.body);
    return true;
  }
}
