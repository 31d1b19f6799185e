/** A connector behind a port of its own: `/graphql` as a Federation 2 subgraph, `/webhooks/:installation`, `/healthz`, `/readyz`, `/metrics`. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Server as HeldPort } from 'node:net';
import { ApolloServer, HeaderMap } from '@apollo/server';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { HEALTH, takePort } from '../../../bin/port.js';
import type { Principal } from '../auth/principal.ts';
import { PRINCIPAL_HEADER, readPrincipal } from '../auth/principal-token.ts';
import { systemClock } from '../clock.ts';
import { DEFAULT_LIMITS, type Limits } from '../config/sections/limits.ts';
import type { Call, SubgraphResponse } from '../connector.ts';
import { HubError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import type { Log } from '../log.ts';
import { WebhookIntake } from '../webhooks/webhook-intake.ts';
import { answerWebhook, WebhookGone } from '../webhooks/webhook-response.ts';

/** How the gateway tells how much time is left. */
export const TIME_HEADER = 'x-isthmus-milliseconds';

const DEFAULT_TIME = 10_000;
const LARGEST_BODY = 8 * 1024 * 1024;

interface Context {
  readonly call: Call;
}

export interface Served {
  readonly url: string;
  close(): Promise<void>;
}

export interface ServeHostOptions {
  readonly port: number;
  readonly host?: string;
  /** The port, when it has been taken before. */
  readonly held?: HeldPort | undefined;
  readonly log: Log;
  readonly limits?: Limits | undefined;
  /** Prometheus metrics of this process; absent: it shows none. */
  readonly metrics?: () => Promise<{ type: string; body: string }>;
}

/** Listens, or goes on with a port that is held; rejects with `PortError` when the port is taken. */
export async function serveHost(host: Host, options: ServeHostOptions): Promise<Served> {
  const intake = new WebhookIntake(options.limits ?? DEFAULT_LIMITS);
  const apollo = new ApolloServer<Context>({
    gateway: {
      onSchemaLoadOrUpdate: (told) => {
        queueMicrotask(() => told({ apiSchema: schemaOf(host), coreSupergraphSdl: '' }));
        return () => undefined;
      },
      load: async () => ({
        executor: async (request) => {
          const { call } = request.context as Context;
          const answer = await host.subgraph.execute({
            query: request.request.query ?? '',
            operationName: request.request.operationName,
            variables: request.request.variables ?? {},
            call,
          });
          return {
            ...forApollo(answer),
            extensions: { sources: Object.fromEntries(call.noted), calls: Object.fromEntries(call.calls ?? []) },
          };
        },
      }),
      stop: async () => undefined,
    },
    introspection: true,
    csrfPrevention: true,
    stopOnTerminationSignals: false,
    includeStacktraceInErrorResponses: false,
    formatError: (formatted) => ({ ...formatted, extensions: withoutStack(formatted) }),
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  await apollo.start();
  const server = createServer((request, response) => {
    void answer(request, response).catch((error: unknown) => {
      if (error instanceof WebhookGone) return;
      options.log.error('A request to the subgraph failed.', { error });
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    if (path === '/healthz') return reply(response, 200, JSON.stringify(HEALTH));
    if (path === '/readyz') {
      const ready = await host.ready();
      const body = { connector: host.name, ready, database: ready ? 'up' : 'down', sources: host.sources() };
      return reply(response, ready ? 200 : 503, JSON.stringify(body));
    }
    if (path === '/metrics' && options.metrics) {
      const { type, body } = await options.metrics();
      return reply(response, 200, body, type);
    }
    if (path.startsWith('/webhooks/')) {
      const installation = decodeURIComponent(path.slice('/webhooks/'.length));
      return answerWebhook(request, response, { installation, path, target: host.webhookTarget(installation), intake });
    }
    if (path !== '/graphql' && path !== '/') return reply(response, 404, '{"error":"Not found."}');
    const body = await read(request);
    if (body === null) return reply(response, 413, '{"error":"The request is too large."}');
    await graphql(request, response, path, body);
  }

  async function graphql(request: IncomingMessage, response: ServerResponse, path: string, body: Buffer) {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
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
      return reply(response, 401, JSON.stringify({ errors }));
    }
    let parsed: unknown;
    try {
      parsed = body.length > 0 ? JSON.parse(body.toString('utf8')) : undefined;
    } catch {
      return reply(
        response,
        400,
        '{"errors":[{"message":"The body is not JSON.","extensions":{"code":"BAD_REQUEST"}}]}',
      );
    }
    const result = await apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: {
        method: request.method ?? 'POST',
        headers,
        search: new URL(request.url ?? path, 'http://localhost').search,
        body: parsed,
      },
      context: async () => ({ call: callOf(headers, principal, gone.signal) }),
    });
    for (const [name, value] of result.headers) response.setHeader(name, value);
    response.statusCode = result.status ?? 200;
    if (result.body.kind === 'complete') response.end(result.body.string);
    else {
      for await (const chunk of result.body.asyncIterator) response.write(chunk);
      response.end();
    }
  }

  const held = options.held ?? (await takePort({ host: options.host ?? '127.0.0.1', port: options.port }));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(held, resolve);
  });
  const bound = server.address() as { port: number; address: string };
  return {
    url: `http://${bound.address.includes(':') ? `[${bound.address}]` : bound.address}:${bound.port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await apollo.stop();
    },
  };
}

function callOf(headers: HeaderMap, principal: Principal, signal: AbortSignal): Call {
  const time = Number(headers.get(TIME_HEADER) ?? DEFAULT_TIME);
  return {
    principal,
    deadline: systemClock.monotonic() + (Number.isFinite(time) ? Math.min(time, 60_000) : DEFAULT_TIME),
    signal,
    noted: new Map(),
    calls: new Map(),
  };
}

function schemaOf(host: Host) {
  const { schema } = host.subgraph;
  if (!schema) throw new Error(`The subgraph ${host.name} has no schema in this process.`);
  return schema;
}

const forApollo = (answer: SubgraphResponse) => ({
  ...(answer.data === undefined ? {} : { data: answer.data as Record<string, unknown> | null }),
  ...(answer.errors
    ? {
        errors: answer.errors.map(
          (one) => new GraphQLError(one.message, { path: one.path ?? null, extensions: one.extensions ?? null }),
        ),
      }
    : {}),
});

const withoutStack = (formatted: GraphQLFormattedError) => {
  const { stacktrace: _, ...rest } = formatted.extensions ?? {};
  return rest;
};

function reply(response: ServerResponse, status: number, body: string, type = 'application/json'): void {
  response.writeHead(status, { 'content-type': type });
  response.end(body);
}

/** The whole body, or null when it is too large. */
async function read(request: IncomingMessage): Promise<Buffer | null> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > LARGEST_BODY) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}
