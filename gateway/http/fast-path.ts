/**
 * Executes a POST whose document Apollo Server has accepted before with `Operations.run`, without Apollo Server. Response headers are those
 * that Apollo Server sent for the same `accept` header; every unusual request is left to Apollo Server.
 */

import type { GraphQLError, GraphQLFormattedError } from 'graphql';
import { LRUCache } from 'lru-cache';
import { INTERNAL_MESSAGE } from '../../connectors/kit/errors.ts';
import type { Operations } from '../operation/operations.ts';
import type { OperationResponse } from '../operation/request.ts';
import type { GraphqlRequest, GraphqlResponse } from './handlers.ts';
import { statusFor } from './responses.ts';

/** Request extensions that `Operations.run` reads and Apollo Server ignores. */
const KNOWN_EXTENSIONS = new Set(['cost', 'provenance', 'sign']);
const JSON_TYPE = /^application\/json(; *charset=utf-8)?$/i;
/** Characters of remembered documents, more than the plan cache can hold. */
const MAX_CHARACTERS = 512 * 1024;
const MAX_ACCEPT_HEADERS = 100;

type Headers = Readonly<Record<string, string>>;

export class FastPath {
  readonly #operations: Operations;
  readonly #limitSize: (response: GraphqlResponse, accept: string | undefined) => GraphqlResponse;
  /** Documents that Apollo Server has accepted. */
  readonly #allowed = new LRUCache<string, AllowedDocument>({
    maxSize: MAX_CHARACTERS,
    sizeCalculation: (_, text) => text.length,
  });
  /** Apollo Server's response headers by `accept` header. */
  readonly #headers = new Map<string, Headers>();

  /** @param limitSize replaces a response that is too large; receives the request's `accept` header */
  constructor(
    operations: Operations,
    limitSize: (response: GraphqlResponse, accept: string | undefined) => GraphqlResponse,
  ) {
    this.#operations = operations;
    this.#limitSize = limitSize;
  }

  /** Records that Apollo Server has accepted the document. */
  allow(text: string): void {
    this.#allowed.set(text, { text, mentionsSubscription: /\bsubscription\b/.test(text) });
  }

  /** Records the headers of Apollo Server's response to an executed request. */
  learnHeaders(request: GraphqlRequest, response: GraphqlResponse): void {
    if (request.method !== 'POST' || ![200, 400].includes(response.status) || this.#headers.size >= MAX_ACCEPT_HEADERS)
      return;
    this.#headers.set(acceptOf(request), response.headers);
  }

  /** The response; null when Apollo Server must handle the request. `body` is the parsed body. */
  handle(request: GraphqlRequest, body: unknown): Promise<GraphqlResponse> | null {
    const headers = this.#headers.get(acceptOf(request));
    if (!headers || request.method !== 'POST' || request.search !== '') return null;
    if (!JSON_TYPE.test(String(request.headers['content-type']))) return null;
    if (!isPlain(body)) return null;
    const document = this.#allowed.get(body.query);
    if (!document) return null;
    const { text, mentionsSubscription } = document;
    // A document with several operations may have been accepted for another one.
    if (mentionsSubscription && this.#operations.documents.isSubscription(text, body.operationName || undefined))
      return null;
    return this.#execute(request, text, body, headers);
  }

  async #execute(
    request: GraphqlRequest,
    query: string,
    { operationName, variables, extensions }: PlainBody,
    headers: Headers,
  ): Promise<GraphqlResponse> {
    const response = await this.#operations.run({
      query,
      // GraphQL over HTTP treats an empty name as absent.
      operationName: operationName || undefined,
      variables: variables ?? undefined,
      ...(extensions ? { extensions } : {}),
      principal: request.principal,
      signal: request.signal,
    });
    // Reading `data` would build the object from the text.
    const data = response.json?.() ?? (response.data === undefined ? undefined : JSON.stringify(response.data));
    if (data !== undefined) {
      const body = responseBody(data, response);
      return this.#limitSize({ status: 200, headers, body }, request.headers['accept']?.toString());
    }
    // A rejected operation must not cost more than an executed one.
    const errors = (response.errors ?? []).map((error) => publicError(error));
    return { status: statusFor(errors, headers['content-type'] ?? ''), headers, body: JSON.stringify({ errors }) };
  }
}

/** The body for an executed operation, with its members in the order that the specification recommends. */
export function responseBody(data: string, rest: Pick<OperationResponse, 'errors' | 'extensions'>): string {
  const errors =
    rest.errors && rest.errors.length > 0
      ? `"errors":${JSON.stringify(rest.errors.map((error) => publicError(error)))},`
      : '';
  return `{${errors}"data":${data}${rest.extensions ? `,"extensions":${JSON.stringify(rest.extensions)}` : ''}}`;
}

/** The error with the hub's codes and without a stack. `error`: Apollo Server's own error object. */
export function publicError(formatted: GraphQLFormattedError, error?: unknown): GraphQLFormattedError {
  const { stacktrace: _, ...extensions } = formatted.extensions ?? {};
  const code = codeOf(extensions['code'], error);
  const internal = extensions['errorId'] ? INTERNAL_MESSAGE : 'Internal error.';
  const message = code === 'INTERNAL' ? internal : formatted.message;
  return { ...formatted, message, extensions: { ...extensions, ...(code ? { code } : {}) } };
}

/** Apollo Server reports an invalid literal as a validation error, and a rejection without a code as a server error. */
function codeOf(code: unknown, error: unknown): unknown {
  const { originalError, extensions } = (error ?? {}) as Partial<GraphQLError>;
  if (code === 'GRAPHQL_VALIDATION_FAILED') {
    const originalCode = (originalError as Partial<GraphQLError> | undefined)?.extensions?.['code'];
    return originalCode === 'BAD_USER_INPUT' ? originalCode : code;
  }
  if (code !== 'INTERNAL_SERVER_ERROR') return code;
  const { status } = (extensions?.['http'] ?? {}) as { status?: number };
  return status === 400 ? 'BAD_REQUEST' : 'INTERNAL';
}

interface AllowedDocument {
  /** The string that all caches of the document have as their key: a lookup by it neither hashes nor compares characters. */
  readonly text: string;
  readonly mentionsSubscription: boolean;
}

interface PlainBody {
  readonly query: string;
  readonly operationName?: string | null;
  readonly variables?: Readonly<Record<string, unknown>> | null;
  readonly extensions?: Readonly<Record<string, unknown>> | null;
}

function isPlain(body: unknown): body is PlainBody {
  if (!isObject(body)) return false;
  const { query, operationName, variables, extensions } = body;
  return (
    typeof query === 'string' &&
    (operationName === undefined || operationName === null || typeof operationName === 'string') &&
    (variables === undefined || variables === null || isObject(variables)) &&
    (extensions === undefined ||
      extensions === null ||
      (isObject(extensions) && Object.keys(extensions).every((error) => KNOWN_EXTENSIONS.has(error))))
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const acceptOf = (request: GraphqlRequest): string => String(request.headers['accept'] ?? '');
