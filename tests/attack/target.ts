/** The attacked server: the hub's HTTP and WebSocket servers with production settings, over one source that counts its requests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';
import type { Limits } from '../../connectors/kit/config/sections/limits.ts';
import { silentLog } from '../../connectors/kit/log.ts';
import { createFederation } from '../../gateway/federation/index.ts';
import { fakeSubgraph } from '../../gateway/federation/testing/fake-subgraph.ts';
import { startApolloHandler } from '../../gateway/http/apollo-server.ts';
import { createExplorerRoutes } from '../../gateway/http/pages/explorer-routes.ts';
import { listen } from '../../gateway/http/server.ts';
import { openWebSockets } from '../../gateway/live/websocket/websocket-server.ts';
import { Operations } from '../../gateway/operation/operations.ts';
import { readCostModel } from '../../gateway/trust/limits/operation-cost.ts';
import { readFieldPolicy } from '../../gateway/trust/rights/field-policy.ts';
import { type DemoIssuer, openDemoIssuer } from '../../gateway/trust/tokens/demo-issuer.ts';
import { createTokenVerifier } from '../../gateway/trust/tokens/verify-token.ts';
import { compose } from '../../schema/compose.ts';

const SDL = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@requiresScopes", "@authenticated", "@listSize", "@policy", "@inaccessible", "@cost"])
  type Query {
    ping: String
    echo(text: String, list: [[[[String]]]]): String
    lots(first: Int): [Lot!] @listSize(slicingArguments: ["first"], assumedSize: 20, requireOneSlicingArgument: false)
    secret: String @requiresScopes(scopes: [["tax:read"]])
    signedIn: String @authenticated
    taxed: String @policy(policies: [["consent:tax"]])
    dear: String @cost(weight: 50000)
    node: Node
    _inner: String @inaccessible
  }
  interface Node { id: ID! }
  type Lot { id: ID! name: String lots(first: Int): [Lot!] @listSize(slicingArguments: ["first"], assumedSize: 20, requireOneSlicingArgument: false) }
  type Vault implements Node @requiresScopes(scopes: [["tax:read"]]) { id: ID! gold: Int }
  type Mutation { touch(id: ID!): String @requiresScopes(scopes: [["permits:write"]]) }
`;

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface Target {
  readonly url: string;
  readonly port: number;
  readonly issuer: DemoIssuer;
  /** Number of requests that reached the source. */
  requestCount(): number;
  post(body: unknown, headers?: Record<string, string>, path?: string): Promise<Reply>;
  send(options: {
    method?: string;
    path?: string;
    headers?: Record<string, string>;
    body?: string | Buffer;
  }): Promise<Reply>;
  /** Sends raw bytes on a new TCP connection; returns what was received until the server closed it or `milliseconds` passed. */
  sendRaw(bytes: string, milliseconds?: number): Promise<{ text: string; closed: boolean }>;
  /** Opens a WebSocket and sends the messages; returns its close code and the received messages. */
  openWebSocket(
    messages: readonly unknown[],
    options?: { headers?: Record<string, string>; protocol?: string; wait?: number },
  ): Promise<{ code: number | null; received: string[] }>;
  close(): Promise<void>;
}

export async function openTarget(
  limits: Partial<Limits> = {},
  introspection: boolean | 'roles' = false,
): Promise<Target> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-attack-'));
  const issuer = await openDemoIssuer(directory);
  const island = fakeSubgraph('island', SDL.replace(/extend schema[^\n]*\n/, ''), {
    Query: {
      ping: () => 'pong',
      echo: (_, { text }) => String(text ?? ''),
      lots: () => [],
      secret: () => 'treasure',
      signedIn: () => 'yes',
      taxed: () => 'much',
      dear: () => 'dear',
      node: () => ({ __typename: 'Vault', id: '1', gold: 7 }),
      _inner: () => 'inner',
    },
    Mutation: { touch: () => 'touched' },
  });
  const { supergraph } = compose([{ name: 'island', sdl: SDL, url: 'http://island.test' }]);
  const operations = new Operations({
    federation: createFederation({ supergraph, subgraphs: new Map([['island', island]]), log: silentLog }),
    policy: readFieldPolicy(supergraph),
    costs: readCostModel(supergraph),
    introspection,
    limits,
  });
  const tokens = createTokenVerifier([issuer.trusted]);
  const http = await listen({
    host: '127.0.0.1',
    port: 0,
    log: silentLog,
    requestTimeouts: { headers: 300, request: 600 },
  });
  const handler = await startApolloHandler(operations, { introspection: introspection !== false });
  const sockets = openWebSockets({
    server: http.server,
    path: '/graphql',
    operations,
    subscriptions: { prepare: () => undefined, subscribe: async () => undefined } as never,
    log: silentLog,
    authenticate: tokens.authenticate,
    isOriginAllowed: (request) =>
      request.headers.origin === undefined || request.headers.origin === `http://127.0.0.1:${http.port}`,
  });
  http.open({
    graphql: handler,
    explorer: createExplorerRoutes({
      folder: join(import.meta.dirname, '..', '..', 'docs'),
      clients: [],
      authenticate: (request) => tokens.authenticate(request),
    }),
    webhooks: async () => null,
    ready: async () => ({ ready: true, body: {} }),
    metrics: async () => ({ type: 'text/plain', body: '' }),
    authenticate: (request) => tokens.authenticate(request),
    schedule: (caller, work) => operations.schedule(caller, work),
    overBudget: (caller) => operations.budget.rejection(caller),
  });
  const url = `http://127.0.0.1:${http.port}`;

  const send: Target['send'] = ({ method = 'POST', path = '/graphql', headers = {}, body }) =>
    new Promise((resolve, reject) => {
      const sent = httpRequest(
        { host: '127.0.0.1', port: http.port, method, path, headers, agent: false },
        (answer) => {
          let text = '';
          answer.on('data', (part: Buffer) => {
            text += part.toString();
          });
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }));
        },
      );
      sent.on('error', (error: NodeJS.ErrnoException) =>
        error.code === 'ECONNRESET' || error.code === 'EPIPE'
          ? resolve({ status: 0, headers: {}, text: error.code })
          : reject(error),
      );
      sent.end(body);
    });
  return {
    url,
    port: http.port,
    issuer,
    requestCount: () => island.requests.length,
    send,
    post: (body, headers = {}, path = '/graphql') =>
      send({
        path,
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    sendRaw: (bytes, milliseconds = 3_000) =>
      new Promise((resolve) => {
        const socket = connect(http.port, '127.0.0.1', () => socket.write(bytes));
        let text = '';
        const end = (closed: boolean) => {
          clearTimeout(timer);
          socket.destroy();
          resolve({ text, closed });
        };
        const timer = setTimeout(() => end(false), milliseconds);
        socket.on('data', (part) => {
          text += part.toString('latin1');
        });
        socket.on('close', () => end(true));
        socket.on('error', () => end(true));
      }),
    openWebSocket: (messages, { headers = {}, protocol = 'graphql-transport-ws', wait = 1_500 } = {}) =>
      new Promise((resolve) => {
        const socket = new WebSocket(`ws://127.0.0.1:${http.port}/graphql`, protocol, { headers });
        const received: string[] = [];
        // Messages after connection_init wait for its acknowledgement.
        const greeting = (messages[0] as { type?: string } | undefined)?.type === 'connection_init';
        const send = (all: readonly unknown[]) => {
          for (const one of all) socket.send(typeof one === 'string' ? one : JSON.stringify(one));
        };
        const end = (code: number | null) => {
          clearTimeout(timer);
          socket.terminate();
          resolve({ code, received });
        };
        const timer = setTimeout(() => end(null), wait);
        socket.on('open', () => {
          send(messages.slice(0, 1));
          if (!greeting) send(messages.slice(1));
        });
        socket.on('message', (data) => {
          received.push(String(data));
          if (greeting && received.length === 1) send(messages.slice(1));
        });
        socket.on('close', (code) => end(code));
        socket.on('unexpected-response', (_request, answer) => end(answer.statusCode ?? 0));
        socket.on('error', () => undefined);
      }),
    close: async () => {
      await sockets.close();
      await http.close(0);
      await handler.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
