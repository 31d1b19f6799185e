/** Serves a connector over HTTP in its own process: `/graphql` (Federation 2), `/webhooks/:installation`, `/healthz`, `/readyz`, `/metrics`. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Server as HeldPort } from 'node:net';
import { ApolloServer, HeaderMap } from '@apollo/server';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { HEALTH, takePort } from '../../../bin/port.js';
import type { Principal } from '../auth/principal.ts';
import { PRINCIPAL_HEADER, readPrincipal } from '../auth/principal-token.ts';
import type { Call, SubgraphResponse } from '../call.ts';
import { systemClock } from '../clock.ts';
import { DEFAULT_LIMITS, type Limits } from '../config/sections/limits.ts';
import { HubError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import type { Log } from '../log.ts';
import { WebhookIntake } from '../webhooks/webhook-intake.ts';
import { respondToWebhook, WebhookClientDisconnected } from '../webhooks/webhook-response.ts';

/** Header in which the gateway sends the milliseconds until the deadline. */
export const REMAINING_TIME_HEADER = 'x-isthmus-milliseconds';

/** Milliseconds, without or above which the header is not followed. */
const DEFAULT_TIMEOUT = 10_000;
const MAX_TIMEOUT = 60_000;
const MAX_BODY_BYTES = 8 * 1024 * 1024;

interface Context {
  readonly call: Call;
}

export interface SubgraphServer {
  readonly url: string;
  close(): Promise<void>;
}

export interface SubgraphServerOptions {
  readonly port: number;
  readonly host?: string;
  /** The port, if it is bound already. */
  readonly heldPort?: HeldPort | undefined;
  readonly log: Log;
  readonly limits?: Limits | undefined;
  /** Prometheus metrics of this process; absent: no `/metrics`. */
  readonly metrics?: () => Promise<{ type: string; body: string }>;
}

/** Starts the server. Rejects with `PortError` if the port is in use. */
export async function serveSubgraph(host: Host, options: SubgraphServerOptions): Promise<SubgraphServer> {
  const intake = new WebhookIntake(options.limits ?? DEFAULT_LIMITS);
  const apollo = new ApolloServer<Context>({
    gateway: {
      onSchemaLoadOrUpdate: (update) => {
        queueMicrotask(() => update({ apiSchema: schemaOf(host), coreSupergraphSdl: '' }));
        return () => undefined;
      },
      load: async () => ({
        executor: async (request) => {
          const { call } = request.context as Context;
          const response = await host.subgraph.execute({
            query: request.request.query ?? '',
            operationName: request.request.operationName,
            variables: request.request.variables ?? {},
            call,
          });
          return {
            ...toApolloResponse(response),
            extensions: {
              sources: Object.fromEntries(call.sourceConditions),
              calls: Object.fromEntries(call.callCounts ?? []),
            },
          };
        },
      }),
      stop: async () => undefined,
    },
    introspection: true,
    csrfPrevention: true,
    stopOnTerminationSignals: false,
    includeStacktraceInErrorResponses: false,
    formatError: (formatted) => ({ ...formatted, extensions: extensionsWithoutStack(formatted) }),
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  await apollo.start();
  const server = createServer((request, response) => {
    void route(request, response).catch((error: unknown) => {
      if (error instanceof WebhookClientDisconnected) return;
      options.log.error(`Request to subgraph ${host.name} failed.`, { error });
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    if (path === '/healthz') return sendReply(response, 200, JSON.stringify(HEALTH));
    if (path === '/readyz') {
      const ready = await host.isDatabaseUp();
      const body = { connector: host.name, ready, database: ready ? 'up' : 'down', sources: host.sourceStatuses() };
      return sendReply(response, ready ? 200 : 503, JSON.stringify(body));
    }
    if (path === '/metrics' && options.metrics) {
      const { type, body } = await options.metrics();
      return sendReply(response, 200, body, type);
    }
    if (path.startsWith('/webhooks/')) {
      const installation = decodeURIComponent(path.slice('/webhooks/'.length));
      return respondToWebhook(request, response, {
        installation,
        path,
        target: host.webhookTarget(installation),
        intake,
      });
    }
    if (path !== '/graphql' && path !== '/') return sendReply(response, 404, '{"error":"Not found."}');
    const body = await readBody(request);
    if (body === null)
      return sendReply(response, 413, `{"error":"Request body too large: at most ${MAX_BODY_BYTES} bytes."}`);
    await handleGraphql(request, response, path, body);
  }

  async function handleGraphql(request: IncomingMessage, response: ServerResponse, path: string, body: Buffer) {
    const disconnected = new AbortController();
    response.on('close', () => disconnected.abort());
    const headers = new HeaderMap();
    for (const [name, value] of Object.entries(request.headers)) {
      if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
    }
    let principal: Principal;
    try {
      principal = readPrincipal(headers.get(PRINCIPAL_HEADER), {
        key: host.principalKey,
        subgraph: host.name,
        body,
        now: systemClock.now().getTime(),
      });
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      const errors = [{ message: error.message, extensions: error.extensions }];
      return sendReply(response, 401, JSON.stringify({ errors }));
    }
    let parsed: unknown;
    try {
      parsed = body.length > 0 ? JSON.parse(body.toString('utf8')) : undefined;
    } catch {
      return sendReply(
        response,
        400,
        '{"errors":[{"message":"Request body is not valid JSON.","extensions":{"code":"BAD_REQUEST"}}]}',
      );
    }
    const result = await apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: {
        method: request.method ?? 'POST',
        headers,
        search: new URL(request.url ?? path, 'http://localhost').search,
        body: parsed,
      },
      context: async () => ({ call: createCall(headers, principal, disconnected.signal) }),
    });
    for (const [name, value] of result.headers) response.setHeader(name, value);
    response.statusCode = result.status ?? 200;
    if (result.body.kind === 'complete') response.end(result.body.string);
    else {
      for await (const chunk of result.body.asyncIterator) response.write(chunk);
      response.end();
    }
  }

  const boundPort = options.heldPort ?? (await takePort({ host: options.host ?? '127.0.0.1', port: options.port }));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(boundPort, resolve);
  });
  const address = server.address() as { port: number; address: string };
  return {
    url: `http://${address.address.includes(':') ? `[${address.address}]` : address.address}:${address.port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await apollo.stop();
    },
  };
}

function createCall(headers: HeaderMap, principal: Principal, signal: AbortSignal): Call {
  const time = Number(headers.get(REMAINING_TIME_HEADER) ?? DEFAULT_TIMEOUT);
  return {
    principal,
    deadline: systemClock.monotonic() + (Number.isFinite(time) ? Math.min(time, MAX_TIMEOUT) : DEFAULT_TIMEOUT),
    signal,
    sourceConditions: new Map(),
    callCounts: new Map(),
  };
}

function schemaOf(host: Host) {
  const { schema } = host.subgraph;
  if (!schema) throw new Error(`Subgraph ${host.name} has no schema in this process.`);
  return schema;
}

const toApolloResponse = ({ data, errors }: SubgraphResponse) => ({
  ...(data === undefined ? {} : { data: data as Record<string, unknown> | null }),
  ...(errors
    ? {
        errors: errors.map(
          ({ message, path, extensions }) =>
            new GraphQLError(message, { path: path ?? null, extensions: extensions ?? null }),
        ),
      }
    : {}),
});

const extensionsWithoutStack = (formatted: GraphQLFormattedError) => {
  const { stacktrace: _, ...rest } = formatted.extensions ?? {};
  return rest;
};

function sendReply(response: ServerResponse, status: number, body: string, type = 'application/json'): void {
  response.writeHead(status, { 'content-type': type });
  response.end(body);
}

/** The whole body; null if it is larger than `MAX_BODY_BYTES`. */
async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_BODY_BYTES) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}
