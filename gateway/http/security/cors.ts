/**
 * Which web pages may use `/graphql`: those of the hub's own origin, and of the origins that `origins` in isthmus.yaml lists. Browsers
 * name the page's origin; programs that are no browser name none and are not restricted by this.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { HubError } from '../../../connectors/kit/errors.ts';
import { cut, fault } from '../responses.ts';

const METHODS = 'GET, POST';
/** Headers that a page may send: those that the hub reads, and those that clients add to every request. */
const REQUEST_HEADERS = [
  'accept',
  'apollo-require-preflight',
  'apollographql-client-name',
  'apollographql-client-version',
  'authorization',
  'baggage',
  'cache-control',
  'content-type',
  'graphql-preflight',
  'last-event-id',
  'traceparent',
  'tracestate',
  'x-apollo-operation-id',
  'x-apollo-operation-name',
  'x-apollo-operation-type',
  'x-request-id',
  'x-requested-with',
].join(', ');
/** Headers of answers that a page may read, beside those that every page may. */
const RESPONSE_HEADERS = 'retry-after, www-authenticate';
/** How long a browser remembers a preflight, in seconds: the longest that Chromium does. */
const MAX_AGE = 7_200;

type Headers = Readonly<IncomingMessage['headers']>;

export class Origins {
  #listed: ReadonlySet<string>;

  /** @param listed exact origins as browsers send them; none: pages of the hub's own origin alone */
  constructor(listed: readonly string[] = []) {
    this.#listed = new Set(listed);
  }

  /** Other origins from the next request on; streams and sockets that are open stay. False: they are the same. */
  replace(listed: readonly string[]): boolean {
    const before = this.#listed;
    this.#listed = new Set(listed);
    return before.size !== this.#listed.size || listed.some((one) => !before.has(one));
  }

  /** True for a request without an origin, of the host that it was sent to, or of an origin that is listed. */
  allows({ headers }: { readonly headers: Headers }): boolean {
    return headers.origin === undefined || isOwn(headers) || this.#listed.has(headers.origin);
  }

  /** True for what a page of another origin sends, embeds or opens a stream to, unless its origin is listed. */
  isForeign({ headers }: { readonly headers: Headers }): boolean {
    const site = headers['sec-fetch-site'];
    // Behind a proxy that does not pass `Host` on, this alone says that the page is the hub's own. Pages cannot set it.
    if (headers.origin !== undefined) return site !== 'same-origin' && !this.allows({ headers });
    if (site === undefined || site === 'same-origin' || site === 'none') return false;
    // A link may lead here; what it brings along is subject to the CSRF guard.
    return headers['sec-fetch-mode'] !== 'navigate';
  }

  /**
   * True where the page that sends a GET may read the answer, or where the sender is certainly no page: it need not prove that it could
   * have sent a preflight. Browsers send an origin with every read across origins that is not blind, so a read without one
   * in the mode `cors` is of the hub's own origin, or of a program.
   */
  isSafeRead({ headers }: { readonly headers: Headers }): boolean {
    if (this.isForeign({ headers })) return false;
    return headers.origin !== undefined || headers['sec-fetch-mode'] === 'cors';
  }

  /** Sets the headers by which a browser lets a page of a listed origin read the answer. */
  mark({ headers }: IncomingMessage, response: ServerResponse): void {
    if (this.#listed.size === 0) return;
    response.setHeader('vary', 'Origin');
    const { origin } = headers;
    if (origin === undefined || !this.#listed.has(origin)) return;
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-expose-headers', RESPONSE_HEADERS);
  }

  /** Answers `OPTIONS`; `mark` and `shield` have been called. */
  preflight(request: IncomingMessage, response: ServerResponse): void {
    if (this.isForeign(request)) {
      refuseForeign(request, response);
      return;
    }
    const listed = this.#listed.has(request.headers.origin ?? '');
    response.writeHead(204, {
      allow: `${METHODS}, OPTIONS`,
      ...(listed && {
        'access-control-allow-methods': METHODS,
        'access-control-allow-headers': REQUEST_HEADERS,
        'access-control-max-age': String(MAX_AGE),
      }),
    });
    response.end();
  }
}

/** Answers a request for which `isForeign` is true, unread. */
export function refuseForeign(request: IncomingMessage, response: ServerResponse): void {
  const error = new HubError(
    'FORBIDDEN',
    'Pages of this origin may not use the hub: `origins` in isthmus.yaml does not list it.',
  );
  cut(request, response, fault(error, 403));
}

/** The scheme is not compared: behind a proxy that ends TLS the hub does not know its own. */
function isOwn({ origin, host }: Headers): boolean {
  try {
    return new URL(origin ?? '').host === host?.toLowerCase();
  } catch {
    return false;
  }
}
