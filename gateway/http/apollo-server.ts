/** Apollo Server in front of `Operations.run`: HTTP semantics, CSRF prevention, persisted queries. It neither validates nor executes. */
import { createHash } from 'node:crypto';
import { ApolloServer, type ApolloServerPlugin, HeaderMap } from '@apollo/server';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import type { DocumentNode, GraphQLFormattedError } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Principal } from '../../connectors/kit/auth/principal.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import type { ClientConnection } from '../../connectors/kit/guard/client-disconnect.ts';
import type { Operations } from '../operation/operations.ts';
import { type OperationResponse, toExecutionResult } from '../operation/request.ts';
import { FastPath, publicError, responseBody } from './fast-path.ts';
import type { GraphqlHandler, GraphqlRequest, GraphqlResponse } from './handlers.ts';
import { errorResponse, rejectedResponse, statusFor } from './responses.ts';

interface Context {
  readonly principal: Principal | null;
  readonly signal: AbortSignal | ClientConnection;
  /** An object of its own, since Apollo copies the context. `isValid`: the document is, whatever the variables. */
  readonly outcome: { reachedExecutor: boolean; isValid: boolean; executed: boolean };
}

const NEEDS_STREAM = 'Subscriptions are not available as JSON. Use a WebSocket, or accept text/event-stream.';
const NOT_SUPPORTED = 'This gateway does not support subscriptions. Send a query or a mutation.';

/** Starts Apollo Server. `subscriptions`: whether the hub serves them on other transports; default: true. */
export async function startApolloHandler(
  operations: Operations,
  options: { introspection: boolean; subscriptions?: boolean },
): Promise<GraphqlHandler> {
  /** The JSON of response data that Apollo holds as an object. */
  const jsonOfData = new WeakMap<object, string>();
  const documentStore = new ApolloDocumentStore();
  const apollo = new ApolloServer<Context>({
    gateway: {
      onSchemaLoadOrUpdate: (update) => {
        queueMicrotask(() => update({ apiSchema: operations.graph.schema, coreSupergraphSdl: '' }));
        return operations.graph.onReplace((apiSchema) => update({ apiSchema, coreSupergraphSdl: '' }));
      },
      load: async () => ({
        executor: async (request) => {
          const context = request.context as Context;
          context.outcome.reachedExecutor = true;
          const response = await operations.run({
            query: request.source,
            document: request.document.loc ? undefined : request.document,
            operationName: request.request.operationName,
            variables: request.request.variables,
            ...(request.request.extensions ? { extensions: request.request.extensions } : {}),
            principal: context.principal,
            signal: context.signal,
          });
          context.outcome.executed = response.data !== undefined;
          context.outcome.isValid = context.outcome.executed || hasOnlyInputErrors(response);
          if (context.outcome.isValid) fastPath.allow(request.source);
          if (response.data && response.json) jsonOfData.set(response.data, response.json());
          return toExecutionResult(response);
        },
      }),
      stop: async () => undefined,
    },
    introspection: options.introspection,
    documentStore,
    // Apollo's validation takes more than linear time. The plugin below validates.
    dangerouslyDisableValidation: true,
    // Apollo's landing page loads third-party scripts.
    plugins: [validationPlugin(operations), ApolloServerPluginLandingPageDisabled()],
    csrfPrevention: true,
    stopOnTerminationSignals: false,
    includeStacktraceInErrorResponses: false,
    hideSchemaDetailsFromClientErrors: !options.introspection,
    formatError: publicError,
    // Reuses the JSON of the data unless a plugin has replaced the object.
    stringifyResult: (result) => {
      if (result.data === undefined || 'hasNext' in result) return JSON.stringify(result);
      return responseBody((result.data && jsonOfData.get(result.data)) ?? JSON.stringify(result.data), result);
    },
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  await apollo.start();

  /** Replaces a response that is larger than `limits.answer`. */
  const limitSize = (response: GraphqlResponse, accept: string | undefined): GraphqlResponse => {
    const { answer: limit } = operations.limits;
    if (response.body.length <= limit) return response;
    const found = response.body.length;
    const message = `Response is too large: ${found.toLocaleString('en')} characters, ${limit.toLocaleString('en')} allowed. Request fewer fields or smaller pages.`;
    const extensions = { code: 'LIMIT_SIZE', limit, found };
    return rejectedResponse([{ message, extensions }], accept);
  };
  /** The response to a subscription that is requested as JSON. */
  const rejectSubscription = (accept: string | undefined): GraphqlResponse => {
    const message = (options.subscriptions ?? true) ? NEEDS_STREAM : NOT_SUPPORTED;
    return { ...rejectedResponse([{ message, extensions: { code: 'BAD_REQUEST' } }], accept), status: 406 };
  };

  const fastPath = new FastPath(operations, limitSize);

  const handleByApollo = async (received: GraphqlRequest, parsed: unknown): Promise<GraphqlResponse> => {
    const { search, body } = withoutEmptyName(received.search, parsed);
    const request = { ...received, search };
    const accept = request.headers['accept']?.toString();
    const texts = documentTexts(request, body);
    const operationName = requestedOperation(request, body);
    if (texts.some((text) => operations.documents.isSubscription(text, operationName))) {
      operations.budget.penalize(request.principal);
      return rejectSubscription(accept);
    }
    try {
      for (const text of texts) documentStore.offer(text, operations.documents.admit(text, request.principal));
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      operations.budget.penalize(request.principal);
      return rejectedResponse([{ message: error.message, extensions: { ...error.extensions } }], accept);
    }
    const headers = new HeaderMap();
    for (const [name, value] of Object.entries(request.headers)) {
      if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
    }
    // Apollo's CSRF prevention accepts a request with this header.
    if (request.isSafeRead && request.method === 'GET') headers.set('apollo-require-preflight', '1');
    const context: Context = {
      principal: request.principal,
      signal: request.signal,
      outcome: { reachedExecutor: false, isValid: false, executed: false },
    };
    const apolloResponse = await apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: { method: request.method, headers, search: request.search, body },
      context: async () => context,
    });
    const text =
      apolloResponse.body.kind === 'complete'
        ? apolloResponse.body.string
        : await joinParts(apolloResponse.body.asyncIterator);
    // `sendResponse` sets the length in bytes.
    apolloResponse.headers.delete('content-length');
    const response = {
      status: apolloResponse.status ?? 200,
      headers: Object.fromEntries(apolloResponse.headers),
      body: text,
    };
    if (!context.outcome.reachedExecutor) operations.budget.penalize(request.principal);
    if (context.outcome.isValid) fastPath.learnHeaders(request, response);
    return context.outcome.executed ? limitSize(response, accept) : withSpecifiedStatus(response);
  };

  return {
    handle: (request) => {
      let body: unknown;
      if (request.body.length > 0) {
        try {
          body = JSON.parse(request.body.toString('utf8'));
        } catch {
          operations.budget.penalize(request.principal);
          return Promise.resolve(errorResponse(new HubError('BAD_REQUEST', 'Request body is not valid JSON.'), 400));
        }
      }
      return fastPath.handle(request, body) ?? handleByApollo(request, body);
    },
    stop: () => apollo.stop(),
  };
}

/** Documents that Apollo has parsed, and those of requests in progress that were parsed before Apollo. */
class ApolloDocumentStore {
  /** Small, since repeated requests take the fast path; Apollo's own store would use about 60 MB. */
  readonly #parsed = new LRUCache<string, DocumentNode>({
    maxSize: DOCUMENT_TEXTS,
    sizeCalculation: (document) => Math.max(1, document.loc?.end ?? 1),
  });
  /** By the SHA-256 of the text, in hex. */
  readonly #offered = new LRUCache<string, DocumentNode>({ max: 16 });

  /** Keeps the document until Apollo takes it. */
  offer(text: string, document: DocumentNode | null): void {
    if (document) this.#offered.set(createHash('sha256').update(text).digest('hex'), document);
  }

  /** Apollo's keys end with the hash of the text. An offered document is returned once. */
  async get(key: string): Promise<DocumentNode | undefined> {
    const hash = key.slice(-64);
    const document = this.#offered.get(hash);
    this.#offered.delete(hash);
    return document ?? this.#parsed.get(key);
  }

  async set(key: string, document: DocumentNode): Promise<void> {
    this.#parsed.set(key, document);
  }

  async delete(key: string): Promise<boolean> {
    return this.#parsed.delete(key);
  }
}
/** Characters; a document takes about 80 bytes per character. */
const DOCUMENT_TEXTS = 128 * 1024;

const hasOnlyInputErrors = ({ errors = [] }: OperationResponse): boolean =>
  errors.every((error) => error.extensions?.['code'] === 'BAD_USER_INPUT');

/** Rejects an invalid document before Apollo selects its operation. */
const validationPlugin = (operations: Operations): ApolloServerPlugin<Context> => ({
  requestDidStart: async () => ({
    responseForOperation: async ({ source, document, contextValue }) => {
      const errors = source && document ? operations.documents.validate(source, document, contextValue.principal) : [];
      if (errors.length === 0) return null;
      const http = { status: 400, headers: new HeaderMap() };
      return { http, body: { kind: 'single', singleResult: { errors } } };
    },
  }),
});

/** A response without data with the status for its media type; Apollo's statuses for headers and methods are kept. */
function withSpecifiedStatus(response: GraphqlResponse): GraphqlResponse {
  const type = response.headers['content-type'] ?? '';
  if (![200, 400, 500].includes(response.status) || !/json/.test(type)) return response;
  const { errors } = JSON.parse(response.body) as { errors?: GraphQLFormattedError[] };
  return errors ? { ...response, status: statusFor(errors, type) } : response;
}

/** Removes an empty `operationName`, which GraphQL over HTTP treats as absent; Apollo would search for an operation with that name. */
function withoutEmptyName(search: string, body: unknown): { search: string; body: unknown } {
  const inUrl = /[?&]operationName=(&|$)/.test(search);
  const parameters = inUrl ? new URLSearchParams(search) : null;
  parameters?.delete('operationName', '');
  const { operationName, ...rest } = (body ?? {}) as { operationName?: unknown };
  return {
    search: parameters ? `?${parameters}` : search,
    body: operationName === '' && !Array.isArray(body) ? rest : body,
  };
}

/** The documents in body and URL, as Apollo reads them. */
function documentTexts(request: GraphqlRequest, body: unknown): string[] {
  const inBody = typeof body === 'object' && body !== null ? (body as { query?: unknown }).query : undefined;
  const inUrl = request.search === '' ? null : new URLSearchParams(request.search).get('query');
  return [inBody, inUrl].filter((text): text is string => typeof text === 'string');
}

/** The operation name in URL or body, as Apollo reads it; undefined when absent or empty. */
function requestedOperation(request: GraphqlRequest, body: unknown): string | undefined {
  const inBody = (body as { operationName?: unknown } | null | undefined)?.operationName;
  const name = request.search === '' ? inBody : (new URLSearchParams(request.search).get('operationName') ?? inBody);
  return typeof name === 'string' && name !== '' ? name : undefined;
}

async function joinParts(parts: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const part of parts) text += part;
  return text;
}
