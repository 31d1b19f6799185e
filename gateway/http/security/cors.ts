/**
 * The web pages that may use `/graphql`: those of the hub's own origin and of the origins listed under `origins` in isthmus.yaml.
 * Requests without an `Origin` header, as other programs send them, are not restricted.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { HubError } from '../../../connectors/kit/errors.ts';
import { errorResponse, sendAndClose } from '../responses.ts';
import { isSameOrigin } from './origin-check.ts';

const METHODS = 'GET, POST';
/** Headers that a page may send: those that the hub reads, and those that client libraries add to every request. */
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
/** Response headers that a page may read, besides the CORS-safelisted ones. */
const RESPONSE_HEADERS = 'retry-after, www-authenticate';
/** Seconds for which a browser caches a preflight; Chromium's maximum. */
const MAX_AGE = 7_200;

type Headers = Readonly<IncomingMessage['headers']>;

export class CorsPolicy {
  #listed: ReadonlySet<string>;

  /** @param listed exact origins as browsers send them; empty: only the hub's own origin */
  constructor(listed: readonly string[] = []) {
    this.#listed = new Set(listed);
  }

  /** Applies another list from the next request on; open streams and sockets continue. Returns false if the list is the same. */
  replace(listed: readonly string[]): boolean {
    const before = this.#listed;
    this.#listed = new Set(listed);
    return before.size !== this.#listed.size || listed.some((origin) => !before.has(origin));
  }

  /** True for a request without an origin, from the host that it was sent to, or from a listed origin. */
  allows({ headers }: { readonly headers: Headers }): boolean {
    return headers.origin === undefined || isSameOrigin(headers) || this.#listed.has(headers.origin);
  }

  /** True for a request that a page of an unlisted origin sends, embeds or opens a stream with. */
  isForbidden({ headers }: { readonly headers: Headers }): boolean {
    const site = headers['sec-fetch-site'];
    // Pages cannot set this header. It identifies the hub's own page behind a proxy that does not forward `Host`.
    if (headers.origin !== undefined) return site !== 'same-origin' && !this.allows({ headers });
    if (site === undefined || site === 'same-origin' || site === 'none') return false;
    // Links to the hub are allowed; their operations are subject to the CSRF check.
    return headers['sec-fetch-mode'] !== 'navigate';
  }

  /**
   * True for a GET that needs no CSRF check: the page may read the response, or the sender is not a page. Browsers send an origin with
   * every readable cross-origin request, so one in mode `cors` without an origin comes from the hub's own origin or from a program.
   */
  isSafeRead({ headers }: { readonly headers: Headers }): boolean {
    if (this.isForbidden({ headers })) return false;
    return headers.origin !== undefined || headers['sec-fetch-mode'] === 'cors';
  }

  /** Sets the headers that let a page of a listed origin read the response. */
  setHeaders({ headers }: IncomingMessage, response: ServerResponse): void {
    if (this.#listed.size === 0) return;
    response.setHeader('vary', 'Origin');
    const { origin } = headers;
    if (origin === undefined || !this.#listed.has(origin)) return;
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-expose-headers', RESPONSE_HEADERS);
  }

  /** Responds to `OPTIONS`. `setHeaders` and `setSecurityHeaders` must have been called. */
  sendPreflight(request: IncomingMessage, response: ServerResponse): void {
    if (this.isForbidden(request)) {
      rejectOrigin(request, response);
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

/** Responds 403 to a request for which `isForbidden` is true, without reading its body. */
export function rejectOrigin(request: IncomingMessage, response: ServerResponse): void {
  const error = new HubError('FORBIDDEN', 'Origin is not allowed. Add it to `origins` in isthmus.yaml.');
  sendAndClose(request, response, errorResponse(error, 403));
}
