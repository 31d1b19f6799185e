/** What every answer says to browsers, and what is refused before a request is read. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { HubError } from '../../../connectors/kit/errors.ts';

/** No page may frame, sniff or embed an answer; answers are no pages. Files of the explorer set their own policy over it. */
export const SHIELD: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
};

export function shield(response: ServerResponse): void {
  for (const [name, value] of Object.entries(SHIELD)) response.setHeader(name, value);
}

/** Refuses by its headers alone, before a byte of the body is read; null when it may be read. */
export function refusedUnread(request: IncomingMessage, most: number): { status: number; error: HubError } | null {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    // What is small on the wire and huge in memory is never unpacked.
    return {
      status: 415,
      error: new HubError('BAD_REQUEST', 'Compressed requests are not read: send the body as it is.'),
    };
  }
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > most) {
    return {
      status: 413,
      error: new HubError('LIMIT_SIZE', `A request may hold ${most} bytes, this one says ${length}.`, {
        limit: most,
        found: length,
      }),
    };
  }
  return null;
}

const LOOPBACK = /^(::1|127\.|::ffff:127\.)/;
const LOCAL_NAME = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;
/** What proxies add: then the caller is somebody behind it. */
const PROXIED = [
  'forwarded',
  'via',
  'x-client-ip',
  'x-forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-forwarded-server',
  'x-original-forwarded-for',
  'x-real-ip',
];

/**
 * Whether the caller sits at this machine. The address alone does not say so: a page of a foreign name that points here (DNS
 * rebinding) and everybody behind a proxy on this machine come from loopback too. A proxy that adds no header is still known by
 * HTTP/1.0 (nginx unless it is told otherwise) or by the `Connection: upgrade` that it sends with every request; one that hides all of
 * this is not known.
 */
export const isLocal = (request: IncomingMessage): boolean =>
  LOOPBACK.test(request.socket.remoteAddress ?? '') &&
  LOCAL_NAME.test(request.headers.host ?? '') &&
  request.httpVersion !== '1.0' &&
  !isUpgradeOfProxy(request.headers) &&
  !PROXIED.some((name) => request.headers[name] !== undefined);

/** Clients write `Upgrade`, and only where they upgrade; the line in the manuals of nginx writes `upgrade`, always. */
const isUpgradeOfProxy = ({ connection = '', upgrade }: IncomingMessage['headers']): boolean =>
  upgrade === undefined ? /\bupgrade\b/i.test(connection) : /\bupgrade\b/.test(connection);
