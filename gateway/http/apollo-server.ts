/** Apollo Server as a face: HTTP semantics, CSRF guard, persisted queries; what an operation is stays in `operation.run`. */
import { createHash } from 'node:crypto';
import { ApolloServer, type ApolloServerPlugin, HeaderMap } from '@apollo/server';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import type { DocumentNode, GraphQLFormattedError } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Principal } from '../../connectors/kit/auth/principal.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import type { Departure } from '../../connectors/kit/guard/client-disconnect.ts';
import type { Operations } from '../operation/operations.ts';
import { type OperationAnswer, resultOf } from '../operation/request.ts';
import { bodyOf, shown, WarmDoor } from './fast-path.ts';
import { fault, refusedAnswer, statusOf } from './responses.ts';

export interface GraphqlRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly search: string;
  /** Raw bytes of the body. */
  readonly body: Buffer;
  readonly principal: Principal | null;
  readonly signal: AbortSignal | Departure;
  /** True for a GET that the CSRF guard need not look at: see `Origins.isSafeRead`. */
  readonly isSafeRead?: boolean;
}

export interface GraphqlAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Context {
  readonly principal: Principal | null;
  readonly signal: AbortSignal | Departure;
  /** Apollo copies the context, so what is told back stands in an object of its own. */
  readonly told: { executed: boolean; known: boolean; asked: boolean };
}

export interface GraphqlFace {
  answer(request: GraphqlRequest): Promise<GraphqlAnswer>;
  stop(): Promise<void>;
}

const NEED_STREAM = 'Subscriptions need a WebSocket or `text/event-stream`.';
const NO_SUBSCRIPTIONS = 'This gateway answers queries and mutations, no subscriptions.';

/** Starts Apollo over the operation. `subscriptions`: whether they are answered elsewhere, by a WebSocket or a stream. */
export async function graphqlFace(
  operations: Operations,
  options: { introspection: boolean; subscriptions?: boolean },
): Promise<GraphqlFace> {
  const warm = new WarmDoor(operations);
  /** The text of data that Apollo holds as an object. */
  const texts = new WeakMap<object, string>();
  const documents = new Documents();
  const apollo = new ApolloServer<Context>({
    gateway: {
      onSchemaLoadOrUpdate: (told) => {
        queueMicrotask(() => told({ apiSchema: operations.schema, coreSupergraphSdl: '' }));
        return operations.onReplace((apiSchema) => told({ apiSchema, coreSupergraphSdl: '' }));
      },
      load: async () => ({
        executor: async (request) => {
          const context = request.context as Context;
          context.told.asked = true;
          const answer = await operations.run({
            query: request.source,
            document: request.document.loc ? undefined : request.document,
            operationName: request.request.operationName,
            variables: request.request.variables,
            ...(request.request.extensions ? { extensions: request.request.extensions } : {}),
            principal: context.principal,
            signal: context.signal,
          });
          context.told.executed = answer.data !== undefined;
          // Whatever its variables are, the text is one that Apollo need not see again.
          context.told.known = context.told.executed || isInputFault(answer);
          if (context.told.known) warm.admit(request.source);
          if (answer.data && answer.text) texts.set(answer.data, answer.text());
          return resultOf(answer);
        },
      }),
      stop: async () => undefined,
    },
    introspection: options.introspection,
    documentStore: documents,
    // The library's own validation takes time that is not linear in the document.
    dangerouslyDisableValidation: true,
    // The library's own page for browsers loads programs of a third party.
    plugins: [validation(operations), ApolloServerPluginLandingPageDisabled()],
    csrfPrevention: true,
    stopOnTerminationSignals: false,
    includeStacktraceInErrorResponses: false,
    hideSchemaDetailsFromClientErrors: !options.introspection,
    formatError: shown,
    // Nothing is made into text twice, unless a plugin has changed it.
    stringifyResult: (result) => {
      if (result.data === undefined || 'hasNext' in result) return JSON.stringify(result);
      return bodyOf((result.data && texts.get(result.data)) ?? JSON.stringify(result.data), result);
    },
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  await apollo.start();

  /** An answer that is too large is not sent. */
  const within = (answer: GraphqlAnswer, accept: string | undefined): GraphqlAnswer => {
    const { answer: limit } = operations.limits;
    if (answer.body.length <= limit) return answer;
    const message = `The answer would hold ${answer.body.length} characters; ${limit} are allowed.`;
    const extensions = { code: 'LIMIT_SIZE', limit, found: answer.body.length };
    return refusedAnswer([{ message, extensions }], accept);
  };
  /** Answers a subscription that is asked for as JSON. */
  const refusedSubscription = (accept: string | undefined): GraphqlAnswer => {
    const message = (options.subscriptions ?? true) ? NEED_STREAM : NO_SUBSCRIPTIONS;
    return { ...refusedAnswer([{ message, extensions: { code: 'BAD_REQUEST' } }], accept), status: 406 };
  };

  return {
    answer: async (given) => {
      let parsed: unknown;
      if (given.body.length > 0) {
        try {
          parsed = JSON.parse(given.body.toString('utf8'));
        } catch {
          operations.fruitless(given.principal);
          return fault(new HubError('BAD_REQUEST', 'The body is not JSON.'), 400);
        }
      }
      const { search, body } = named(given.search, parsed);
      const request = { ...given, search };
      const accept = request.headers['accept']?.toString();
      const texts = textsOf(request, body);
      const operationName = operationNameOf(request, body);
      if (texts.some((text) => operations.isSubscription(text, operationName))) {
        operations.fruitless(request.principal);
        return refusedSubscription(accept);
      }
      const quick = await warm.answer(request, body);
      if (quick) return within(quick, accept);
      try {
        for (const text of texts) documents.lend(text, operations.admit(text, request.principal));
      } catch (error) {
        if (!(error instanceof HubError)) throw error;
        operations.fruitless(request.principal);
        return refusedAnswer([{ message: error.message, extensions: { ...error.extensions } }], accept);
      }
      const headers = new HeaderMap();
      for (const [name, value] of Object.entries(request.headers)) {
        if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
      }
      // What the library takes as a proof that a page could have sent a preflight.
      if (request.isSafeRead && request.method === 'GET') headers.set('apollo-require-preflight', '1');
      const context: Context = {
        principal: request.principal,
        signal: request.signal,
        told: { executed: false, known: false, asked: false },
      };
      const made = await apollo.executeHTTPGraphQLRequest({
        httpGraphQLRequest: { method: request.method, headers, search: request.search, body },
        context: async () => context,
      });
      const text = made.body.kind === 'complete' ? made.body.string : await whole(made.body.asyncIterator);
      // The server counts the bytes itself.
      made.headers.delete('content-length');
      const answer = { status: made.status ?? 200, headers: Object.fromEntries(made.headers), body: text };
      if (!context.told.asked) operations.fruitless(request.principal);
      if (context.told.known) warm.learn(request, answer);
      return context.told.executed ? within(answer, accept) : asSpecified(answer);
    },
    stop: () => apollo.stop(),
  };
}

/** What Apollo parses itself, by the length of the texts; and, while they are asked, the documents that were parsed before it. */
class Documents {
  /** What is asked again goes through the warm door; left alone Apollo would hold some 60 MB. */
  readonly #kept = new LRUCache<string, DocumentNode>({
    maxSize: DOCUMENT_TEXTS,
    sizeCalculation: (document) => Math.max(1, document.loc?.end ?? 1),
  });
  /** By the hash of the text. */
  readonly #lent = new LRUCache<string, DocumentNode>({ max: 16 });

  lend(text: string, document: DocumentNode | null): void {
    if (document) this.#lent.set(createHash('sha256').update(text).digest('hex'), document);
  }

  /** Apollo's keys end with the hash. A lent document is given once. */
  async get(key: string): Promise<DocumentNode | undefined> {
    const hash = key.slice(-64);
    const document = this.#lent.get(hash);
    this.#lent.delete(hash);
    return document ?? this.#kept.get(key);
  }

  async set(key: string, document: DocumentNode): Promise<void> {
    this.#kept.set(key, document);
  }

  async delete(key: string): Promise<boolean> {
    return this.#kept.delete(key);
  }
}
/** Characters; a document takes some eighty bytes for each. */
const DOCUMENT_TEXTS = 128 * 1024;

const isInputFault = ({ errors = [] }: OperationAnswer): boolean =>
  errors.every((one) => one.extensions?.['code'] === 'BAD_USER_INPUT');

/** Answers a document that is not valid before anybody looks for its operation. */
const validation = (operations: Operations): ApolloServerPlugin<Context> => ({
  requestDidStart: async () => ({
    responseForOperation: async ({ source, document, contextValue }) => {
      const errors = source && document ? operations.faults(source, document, contextValue.principal) : [];
      if (errors.length === 0) return null;
      const http = { status: 400, headers: new HeaderMap() };
      return { http, body: { kind: 'single', singleResult: { errors } } };
    },
  }),
});

/** Apollo's answer without data with the status that its media type has for it; what Apollo says of headers and methods stays. */
function asSpecified(answer: GraphqlAnswer): GraphqlAnswer {
  const type = answer.headers['content-type'] ?? '';
  if (![200, 400, 500].includes(answer.status) || !/json/.test(type)) return answer;
  const { errors } = JSON.parse(answer.body) as { errors?: GraphQLFormattedError[] };
  return errors ? { ...answer, status: statusOf(errors, type) } : answer;
}

/** An empty `operationName` is none, as GraphQL over HTTP says; Apollo would look for an operation of that name. */
function named(search: string, body: unknown): { search: string; body: unknown } {
  const inAddress = /[?&]operationName=(&|$)/.test(search);
  const parameters = inAddress ? new URLSearchParams(search) : null;
  parameters?.delete('operationName', '');
  const { operationName, ...rest } = (body ?? {}) as { operationName?: unknown };
  return {
    search: parameters ? `?${parameters}` : search,
    body: operationName === '' && !Array.isArray(body) ? rest : body,
  };
}

/** The documents that a request brings, wherever Apollo would look for them. */
function textsOf(request: GraphqlRequest, body: unknown): string[] {
  const inBody = typeof body === 'object' && body !== null ? (body as { query?: unknown }).query : undefined;
  const inAddress = request.search === '' ? null : new URLSearchParams(request.search).get('query');
  return [inBody, inAddress].filter((one): one is string => typeof one === 'string');
}

/** The operation that a request names, wherever Apollo would look for it. */
function operationNameOf(request: GraphqlRequest, body: unknown): string | undefined {
  const inBody = (body as { operationName?: unknown } | null | undefined)?.operationName;
  const name = request.search === '' ? inBody : (new URLSearchParams(request.search).get('operationName') ?? inBody);
  return typeof name === 'string' && name !== '' ? name : undefined;
}

async function whole(parts: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const part of parts) text += part;
  return text;
}
