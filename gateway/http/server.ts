/** One port: `/graphql`, `/explorer`, `/webhooks/:installation`, `/healthz`, `/readyz`, `/metrics`. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { HubError } from '../../connectors/kit/errors.ts';
import type { Log } from '../../connectors/kit/log.ts';
import type { Principal } from '../../connectors/kit/principal.ts';
import { fault, type GraphqlFace } from './graphql.ts';
import { refusedUnread, shield } from './shield.ts';
import { Spent } from './spent.ts';
import { serveFile } from './static.ts';
import type { Webhooks } from './webhooks.ts';

/** What the doors lead to; set once the house stands. */
export interface Rooms {
  readonly graphql: GraphqlFace;
  readonly webhooks?: Webhooks;
  readonly explorer?: string;
  ready(): Promise<{ ready: boolean; body: unknown }>;
  metrics(): Promise<{ type: string; body: string }>;
  /** Public keys of the demo's own issuer, served at /.well-known/jwks.json. */
  readonly keys?: unknown;
  /** Public keys that sign answers and the audit log, served at /.well-known/isthmus-keys.json. */
  readonly signingKeys?: unknown;
  /** Answers requests for a stream of answers; false: it asks for something else. */
  stream?(
    request: IncomingMessage,
    response: ServerResponse,
    given: { search: string; body: Buffer; principal: Principal | null; signal: AbortSignal },
  ): Promise<boolean>;
  /** Resolves when it is this caller's turn; null: at once. Throws `HubError` when too many of its requests wait. Then `turned`, once. */
  readonly turns?: {
    turn(principal: Principal | null): Promise<void> | null;
    turned(principal: Principal | null): void;
  };
  /** Why this caller must wait, and how long; null when it may ask. */
  overdrawn?(principal: Principal | null): { readonly error: HubError; readonly milliseconds: number } | null;
  /** Rejects with `HubError` when the caller is refused. */
  principal(request: IncomingMessage): Promise<Principal | null>;
}

export interface HttpServer {
  readonly server: Server;
  readonly port: number;
  /** Opens the doors; until then only `/healthz` answers, the rest says 503. */
  open(rooms: Rooms): void;
  /** No new requests; those under way may end within `milliseconds`. */
  close(milliseconds: number): Promise<void>;
}

const LARGEST_QUERY = 512 * 1024;
const LARGEST_WEBHOOK = 8 * 1024 * 1024;

/** The port cannot be had; the message is a sentence for people. */
export class PortError extends Error {
  override name = 'PortError';
}

/** Nobody is left to be answered. */
class ClientGone extends Error {}

/** Takes the port at once, so that a taken one is known before anything else is started. */
export async function listen(options: {
  host: string;
  port: number;
  log: Log;
  /** Milliseconds for the head and for the whole of a request: who sends slower is cut off. */
  patience?: { readonly head: number; readonly whole: number };
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
  const spent = new Spent();
  server.on('request', (request, response) => {
    if (!closing && request.url === '/graphql' && spent.refused(request, response)) return;
    if (closing) response.setHeader('connection', 'close');
    shield(response);
    route(request, response, { rooms, spent }).catch((error: unknown) => {
      if (error instanceof URIError) return json(response, 400, { errors: [{ message: 'The address is not one.' }] });
      if (error instanceof ClientGone) return;
      const errorId = randomUUID();
      options.log.error('A request failed.', { errorId, error, path: request.url?.slice(0, 200) });
      if (!response.headersSent)
        json(response, 500, {
          errors: [{ message: 'Something went wrong in the hub.', extensions: { code: 'INTERNAL', errorId } }],
        });
      else response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(portError(error, options)));
    server.listen(options.port, options.host, resolve);
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

function portError(error: NodeJS.ErrnoException, options: { host: string; port: number }): Error {
  if (error.code === 'EADDRINUSE') {
    return new PortError(
      `Port ${options.port} is in use by another program. Stop that program, or choose another port: PORT=${options.port + 1} npm start`,
    );
  }
  if (error.code === 'EACCES') {
    return new PortError(
      `Port ${options.port} needs rights that this user lacks. Choose one above 1023: PORT=4000 npm start`,
    );
  }
  if (error.code === 'EADDRNOTAVAIL') {
    return new PortError(
      `This machine has no address ${options.host}. Set HOST to one that it has, such as HOST=127.0.0.1`,
    );
  }
  return error;
}

async function route(
  request: IncomingMessage,
  response: ServerResponse,
  { rooms, spent }: { readonly rooms: Rooms | null; readonly spent: Spent },
): Promise<void> {
  if (rooms && request.url === '/graphql') return graphql(request, response, '', { rooms, spent });
  const url = addressOf(request);
  const path = url.pathname;
  if (path === '/healthz') return json(response, 200, { status: 'ok' });
  if (!rooms) {
    response.setHeader('retry-after', '2');
    return json(response, 503, { errors: [{ message: 'The hub is starting.' }] });
  }
  if (path === '/graphql') return graphql(request, response, url.search, { rooms, spent });
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
    if (
      path.startsWith('/explorer/') &&
      (await serveFile(response, rooms.explorer, decodeURIComponent(path.slice(10))))
    )
      return;
  }
  json(response, 404, { errors: [{ message: `There is nothing at ${path}. Try /explorer or /graphql.` }] });
}

/** Throws `URIError` for what is no address. */
function addressOf(request: IncomingMessage): URL {
  const target = request.url ?? '/';
  if (!target.startsWith('/') || !URL.canParse(`http://localhost${target}`)) throw new URIError('not an address');
  return new URL(`http://localhost${target}`);
}

async function graphql(
  request: IncomingMessage,
  response: ServerResponse,
  search: string,
  { rooms, spent }: { readonly rooms: Rooms; readonly spent: Spent },
): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  const unread = refusedUnread(request, LARGEST_QUERY);
  if (unread) return cut(request, response, fault(unread.error, unread.status));
  let principal: Principal | null;
  try {
    principal = await rooms.principal(request);
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    response.setHeader('www-authenticate', 'Bearer error="invalid_token"');
    return cut(request, response, fault(error, 401));
  }
  const overdrawn = rooms.overdrawn?.(principal);
  if (overdrawn) {
    spent.keep(request, overdrawn.error, overdrawn.milliseconds);
    return tooMany(request, response, overdrawn.error);
  }
  const body = await read(request, LARGEST_QUERY);
  if (body === null) {
    const error = new HubError('LIMIT_SIZE', `A request may hold ${LARGEST_QUERY} bytes.`, { limit: LARGEST_QUERY });
    return cut(request, response, fault(error, 413));
  }
  try {
    await rooms.turns?.turn(principal);
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    return tooMany(request, response, error);
  }
  let over = false;
  const turned = () => {
    if (!over) rooms.turns?.turned(principal);
    over = true;
  };
  try {
    if (gone.signal.aborted) return;
    // A stream has no end to wait for.
    if (/event-stream|multipart/i.test(String(request.headers.accept))) turned();
    if (await rooms.stream?.(request, response, { search, body, principal, signal: gone.signal })) return;
    const answer = await rooms.graphql.answer({
      method: request.method ?? 'POST',
      headers: request.headers,
      search,
      body,
      principal,
      signal: gone.signal,
    });
    send(response, answer);
  } finally {
    turned();
  }
}

async function webhook(request: IncomingMessage, response: ServerResponse, path: string, rooms: Rooms): Promise<void> {
  const unread = refusedUnread(request, LARGEST_WEBHOOK);
  if (unread) return cut(request, response, fault(unread.error, unread.status));
  const body = await read(request, LARGEST_WEBHOOK);
  if (body === null) return json(response, 413, { error: `A call may hold ${LARGEST_WEBHOOK} bytes.` });
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(request.headers))
    headers[name] = Array.isArray(value) ? value.join(', ') : value;
  const installation = decodeURIComponent(path.slice('/webhooks/'.length));
  const answer = await rooms.webhooks?.(installation, { method: request.method ?? 'POST', path, headers, body });
  if (!answer) return json(response, 404, { error: 'No such installation takes calls here.' });
  response.writeHead(answer.status, answer.headers ?? {});
  response.end(answer.body ?? '');
}

function send(
  response: ServerResponse,
  answer: { status: number; headers: Readonly<Record<string, string>>; body: string },
): void {
  const bytes = Buffer.from(answer.body);
  response.writeHead(answer.status, { ...answer.headers, 'content-length': bytes.length });
  response.end(bytes);
}

function tooMany(request: IncomingMessage, response: ServerResponse, error: HubError): void {
  response.setHeader('retry-after', String(error.extensions['retryAfter'] ?? 1));
  cut(request, response, fault(error, 429));
}

/** Answers a request that is not read to its end, and ends the connection: what still comes would be for nobody. */
function cut(
  request: IncomingMessage,
  response: ServerResponse,
  answer: { status: number; headers: Readonly<Record<string, string>>; body: string },
): void {
  if (!request.complete) {
    response.setHeader('connection', 'close');
    response.once('finish', () => setTimeout(() => request.destroy(), 100).unref());
    request.resume();
  }
  send(response, answer);
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}

function redirect(response: ServerResponse, to: string): void {
  response.writeHead(302, { location: to });
  response.end();
}

/** The whole body, or null when it is larger than `most`. Rejects when the client goes away before its end. */
function read(request: IncomingMessage, most: number): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    request.on('data', (part: Buffer) => {
      size += part.length;
      if (size <= most) parts.push(part);
      else resolve(null);
    });
    request.on('end', () => resolve(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)));
    const gone = () => {
      if (!request.complete) reject(new ClientGone('The client went away while it was sending.'));
    };
    request.on('error', gone);
    request.on('close', gone);
  });
}
