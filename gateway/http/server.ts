/** One port: `/graphql`, `/explorer`, `/webhooks/:installation`, `/healthz`, `/readyz`, `/metrics`. */

import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Server as NetServer } from 'node:net';
import { HEALTH, PortError, takePort } from '../../bin/port.js';
import { INTERNAL_MESSAGE } from '../../connectors/kit/errors.ts';
import type { Log } from '../../connectors/kit/log.ts';
import { awaitsContinue, WebhookClientDisconnected } from '../../connectors/kit/webhooks/webhook-response.ts';
import { ClientDisconnected } from './body-limit.ts';
import type { HttpHandlers } from './handlers.ts';
import { RejectionCache } from './rejection-cache.ts';
import { handleGraphql, handleWebhook, type PipelineContext } from './request-pipeline.ts';
import { sendJson, sendRedirect } from './responses.ts';
import { CorsPolicy } from './security/cors.ts';
import { setSecurityHeaders } from './security/security-headers.ts';

export interface HttpServer {
  readonly server: Server;
  readonly port: number;
  /** Starts to serve. Until then `/healthz` responds 200 and every other path 503. */
  open(handlers: HttpHandlers): void;
  /** Accepts no new requests and resolves when those in progress have ended, or after `milliseconds`. */
  close(milliseconds: number): Promise<void>;
}

/** Paths that pages of the origins listed in isthmus.yaml may read. */
const CORS_PATHS = /^\/(graphql|\.well-known\/)/;

export { PortError };

/** Milliseconds. */
const IDLE_TIMEOUT = 60_000;
const REQUEST_TIMEOUTS = { headers: 10_000, request: 30_000 };

/** Listens at once, so that a port in use is reported before anything else starts. Rejects with `PortError`. */
export async function listen(options: {
  host: string;
  port: number;
  /** A port that `takePort` has taken already. */
  heldPort?: NetServer | undefined;
  log: Log;
  /** The origins whose pages may use `/graphql`; absent: only the hub's own origin. */
  cors?: CorsPolicy;
  /** Milliseconds for the headers and for the whole of a request; a slower client is disconnected. */
  requestTimeouts?: { readonly headers: number; readonly request: number };
  /** Milliseconds without a byte in either direction after which a connection is closed; default: 60,000. */
  idleTimeout?: number;
}): Promise<HttpServer> {
  let handlers: HttpHandlers | null = null;
  let closing = false;
  const timeouts = options.requestTimeouts ?? REQUEST_TIMEOUTS;
  const server = createServer({
    requestTimeout: timeouts.request,
    headersTimeout: timeouts.headers,
    connectionsCheckingInterval: Math.min(2_000, timeouts.headers),
    keepAliveTimeout: 30_000,
    maxHeaderSize: 16_384,
  });
  server.maxHeadersCount = 100;
  server.timeout = options.idleTimeout ?? IDLE_TIMEOUT;
  const rejections = new RejectionCache();
  const cors = options.cors ?? new CorsPolicy();
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    if (CORS_PATHS.test(request.url ?? '')) cors.setHeaders(request, response);
    if (!closing && request.url === '/graphql' && rejections.repeat(request, response)) return;
    if (closing) response.setHeader('connection', 'close');
    const handled =
      handlers && request.url === '/graphql'
        ? handleGraphql(request, response, '', { handlers, rejections, cors })
        : handleRoute(request, response, { handlers, rejections, cors });
    handled.catch((error: unknown) => {
      if (error instanceof ClientDisconnected || error instanceof WebhookClientDisconnected) return;
      if (!response.headersSent) setSecurityHeaders(response);
      if (error instanceof URIError)
        return sendJson(response, 400, { errors: [{ message: 'Invalid URL. Send a path that begins with /.' }] });
      const errorId = randomUUID();
      options.log.error('Request failed.', { errorId, error, path: request.url?.slice(0, 200) });
      if (!response.headersSent)
        sendJson(response, 500, {
          errors: [{ message: INTERNAL_MESSAGE, extensions: { code: 'INTERNAL', errorId } }],
        });
      else response.destroy();
    });
  };
  server.on('request', handle);
  server.on('checkContinue', (request, response) => {
    // The headers of a webhook are checked before its body is requested.
    if (request.url?.startsWith('/webhooks/')) awaitsContinue.add(request);
    else response.writeContinue();
    handle(request, response);
  });
  const heldPort = options.heldPort ?? (await takePort(options));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(heldPort, resolve);
  });
  const { port } = server.address() as { port: number };
  return {
    server,
    port,
    open: (next) => {
      handlers = next;
    },
    close: async (milliseconds) => {
      closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      // A connection becomes idle when its response has been sent, and would otherwise be kept alive.
      const sweep = setInterval(() => server.closeIdleConnections(), 50);
      const timer = setTimeout(() => server.closeAllConnections(), milliseconds);
      await closed;
      clearInterval(sweep);
      clearTimeout(timer);
    },
  };
}

async function handleRoute(
  request: IncomingMessage,
  response: ServerResponse,
  { handlers, rejections, cors }: Omit<PipelineContext, 'handlers'> & { readonly handlers: HttpHandlers | null },
): Promise<void> {
  setSecurityHeaders(response);
  const url = parseUrl(request);
  const path = url.pathname;
  if (path === '/healthz') return sendJson(response, 200, HEALTH);
  if (!handlers) {
    response.setHeader('retry-after', '2');
    return sendJson(response, 503, { errors: [{ message: 'Server is starting. Retry in 2 s.' }] });
  }
  if (path === '/graphql') return handleGraphql(request, response, url.search, { handlers, rejections, cors });
  if (path.startsWith('/webhooks/')) return handleWebhook(request, response, path, handlers);
  if (path === '/readyz') {
    const { ready, body } = await handlers.ready();
    return sendJson(response, ready ? 200 : 503, body);
  }
  if (path === '/metrics') {
    const { type, body } = await handlers.metrics();
    response.writeHead(200, { 'content-type': type });
    response.end(body);
    return;
  }
  if (handlers.signingKeys && path === '/.well-known/isthmus-keys.json')
    return sendJson(response, 200, handlers.signingKeys);
  if (handlers.keys && path === '/.well-known/jwks.json') return sendJson(response, 200, handlers.keys);
  if (handlers.explorer && (request.method === 'GET' || request.method === 'HEAD')) {
    if (path === '/') return sendRedirect(response, '/explorer/');
    if (path === '/explorer') return sendRedirect(response, '/explorer/');
    if (path.startsWith('/explorer/') && (await handlers.explorer.handle(request, response, path.slice(10)))) return;
  }
  const hint = handlers.explorer ? '/explorer or /graphql' : '/graphql';
  sendJson(response, 404, { errors: [{ message: `Not found: ${path}. Try ${hint}.` }] });
}

/** Throws `URIError` for an invalid URL. */
function parseUrl(request: IncomingMessage): URL {
  const target = request.url ?? '/';
  if (!target.startsWith('/') || !URL.canParse(`http://localhost${target}`)) throw new URIError('invalid URL');
  return new URL(`http://localhost${target}`);
}
