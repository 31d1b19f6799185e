/** Where a request comes from: the hub's own origin, this machine, or elsewhere. */
import type { IncomingMessage } from 'node:http';

type Headers = Readonly<IncomingMessage['headers']>;

/** True when `origin` names the host that the request was sent to. The scheme is not compared: behind a proxy that ends TLS the hub does not know its own. */
export function isSameOrigin({ origin, host }: Headers): boolean {
  try {
    return new URL(origin ?? '').host === host?.toLowerCase();
  } catch {
    return false;
  }
}

const LOOPBACK_ADDRESS = /^(::1|127\.|::ffff:127\.)/;
const LOOPBACK_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;
/** Headers that proxies add. */
const PROXY_HEADERS = [
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
 * True for a caller on this machine. The address alone does not prove it: DNS rebinding and every client of a proxy on this machine come
 * from loopback, too. A proxy that adds no header is recognised by HTTP/1.0 (the default of nginx) or by the `Connection: upgrade`
 * that it sends with every request; a proxy that sends neither is not recognised.
 */
export const isLoopbackRequest = (request: IncomingMessage): boolean =>
  LOOPBACK_ADDRESS.test(request.socket.remoteAddress ?? '') &&
  LOOPBACK_HOST.test(request.headers.host ?? '') &&
  request.httpVersion !== '1.0' &&
  !isProxyUpgrade(request.headers) &&
  !PROXY_HEADERS.some((name) => request.headers[name] !== undefined);

/** Clients write `Upgrade`, and only for an upgrade; the configuration in nginx's manual writes `upgrade`, always. */
const isProxyUpgrade = ({ connection = '', upgrade }: Headers): boolean =>
  upgrade === undefined ? /\bupgrade\b/i.test(connection) : /\bupgrade\b/.test(connection);
