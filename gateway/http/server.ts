/** One port: `/graphql`, `/explorer`, `/webhooks/:installation`, `/healthz`, `/readyz`, `/metrics`. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Server as HeldPort } from 'node:net';
import { HEALTH, PortError, takePort } from '../../bin/port.js';
import type { Log } from '../../connectors/kit/log.ts';
import { awaitsContinue, WebhookGone } from '../../connectors/kit/webhooks/webhook-response.ts';
import { ClientGone } from './body-limit.ts';
import type { Rooms } from './handlers.ts';
import { Spent } from './rejection-cache.ts';
import { graphql, webhook } from './request-pipeline.ts';
import { json, redirect } from './responses.ts';
import { Origins } from './security/cors.ts';
import { shield } from './security/security-headers.ts';

export interface HttpServer {
  readonly server: Server;
  readonly port: number;
  /** Opens the doors; until then only `/healthz` answers, the rest says 503. */
  open(rooms: Rooms): void;
  /** No new requests; those under way may end within `milliseconds`. */
  close(milliseconds: number): Promise<void>;
}

/** What pages of other origins may read, where they are listed. */
const SHARED = /^\/(graphql|\.well-known\/)/;

export { PortError };

const SILENCE = 60_000;

/** Takes the port at once, so that a taken one is known before anything else is started; or goes on with one that is held. */
export async function listen(options: {
  host: string;
  port: number;
  /** From `takePort`. */
  held?: HeldPort | undefined;
  log: Log;
  /** Whose pages may use `/graphql`; absent: those of the hub's own origin. */
  origins?: Origins;
  /** Milliseconds for the head and for the whole of a request: who sends slower is cut off. */
  patience?: { readonly head: number; readonly whole: number };
  /** Milliseconds without a byte in either direction after which a connection ends: a client that does not read its answer. */
  silence?: number;
}): Promise<HttpServer> {
  let rooms: Rooms | null = null;
  let closing = false;
  const server = createServer({
    requestTimeout: options.patience?.whole ?? 30_000,
    headersTimeout: options.patience?.head ?? 10_000,
    connectionsCheckingInterval: Math.min(2_000, options.patience?.head ?? 2_000),
    keepAliveTimeout: 30_000,
    maxHeaderSize: 16_384,
  });
  server.maxHeadersCount = 100;
  server.timeout = options.silence ?? SILENCE;
  const spent = new Spent();
  const origins = options.origins ?? new Origins();
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    if (SHARED.test(request.url ?? '')) origins.mark(request, response);
    if (!closing && request.url === '/graphql' && spent.refused(request, response)) return;
    if (closing) response.setHeader('connection', 'close');
    const way =
      rooms && request.url === '/graphql'
        ? graphql(request, response, '', { rooms, spent, origins })
        : route(request, response, { rooms, spent, origins });
    way.catch((error: unknown) => {
      if (error instanceof ClientGone || error instanceof WebhookGone) return;
      if (!response.headersSent) shield(response);
      if (error instanceof URIError) return json(response, 400, { errors: [{ message: 'The address is not one.' }] });
      const errorId = randomUUID();
      options.log.error('A request failed.', { errorId, error, path: request.url?.slice(0, 200) });
      if (!response.headersSent)
        json(response, 500, {
          errors: [{ message: 'Something went wrong in the hub.', extensions: { code: 'INTERNAL', errorId } }],
        });
      else response.destroy();
    });
  };
  server.on('request', take);
  server.on('checkContinue', (request, response) => {
    // A webhook is looked at before its body is asked for.
    if (request.url?.startsWith('/webhooks/')) awaitsContinue.add(request);
    else response.writeContinue();
    take(request, response);
  });
  const held = options.held ?? (await takePort(options));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(held, resolve);
  });
  const { port } = server.address() as { port: number };
  return {
    server,
    port,
    open: (given) => {
      rooms = given;
    },
    close: async (milliseconds) => {
      closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      // A connection whose answer has just left is idle from then on, and would be kept alive for the next request.
      const sweep = setInterval(() => server.closeIdleConnections(), 50);
      const timer = setTimeout(() => server.closeAllConnections(), milliseconds);
      await closed;
      clearInterval(sweep);
      clearTimeout(timer);
    },
  };
}

async function route(
  request: IncomingMessage,
  response: ServerResponse,
  { rooms, spent, origins }: { readonly rooms: Rooms | null; readonly spent: Spent; readonly origins: Origins },
): Promise<void> {
  shield(response);
  const url = addressOf(request);
  const path = url.pathname;
  if (path === '/healthz') return json(response, 200, HEALTH);
  if (!rooms) {
    response.setHeader('retry-after', '2');
    return json(response, 503, { errors: [{ message: 'The hub is starting.' }] });
  }
  if (path === '/graphql') return graphql(request, response, url.search, { rooms, spent, origins });
  if (path.startsWith('/webhooks/')) return webhook(request, response, path, rooms);
  if (path === '/readyz') {
    const { ready, body } = await rooms.ready();
    return json(response, ready ? 200 : 503, body);
  }
  if (path === '/metrics') {
    const { type, body } = await rooms.metrics();
    response.writeHead(200, { 'content-type': type });
    response.end(body);
    return;
  }
  if (rooms.signingKeys && path === '/.well-known/isthmus-keys.json') return json(response, 200, rooms.signingKeys);
  if (rooms.keys && path === '/.well-known/jwks.json') return json(response, 200, rooms.keys);
  if (rooms.explorer && (request.method === 'GET' || request.method === 'HEAD')) {
    if (path === '/') return redirect(response, '/explorer/');
    if (path === '/explorer') return redirect(response, '/explorer/');
    if (path.startsWith('/explorer/') && (await rooms.explorer.answer(request, response, path.slice(10)))) return;
  }
  const hint = rooms.explorer ? '/explorer or /graphql' : '/graphql';
  json(response, 404, { errors: [{ message: `There is nothing at ${path}. Try ${hint}.` }] });
}

/** Throws `URIError` for what is no address. */
function addressOf(request: IncomingMessage): URL {
  const target = request.url ?? '/';
  if (!target.startsWith('/') || !URL.canParse(`http://localhost${target}`)) throw new URIError('not an address');
  return new URL(`http://localhost${target}`);
}
