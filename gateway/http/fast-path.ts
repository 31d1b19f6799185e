/**
 * The warm door: a POST whose text Apollo has let through before is answered without it, by the same `operation.run`. What
 * Apollo's layer would add (negotiated headers) was learnt from its own answers; whatever looks unusual is left to Apollo.
 */
import type { GraphQLError, GraphQLFormattedError } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Operations } from '../operation/operations.ts';
import type { OperationAnswer } from '../operation/request.ts';
import type { GraphqlAnswer, GraphqlRequest } from './apollo-server.ts';
import { statusOf } from './responses.ts';

/** Members of `extensions` in a request that mean something to `operation.run` and nothing to Apollo. */
const KNOWN_EXTENSIONS = new Set(['cost', 'provenance', 'sign']);
const JSON_TYPE = /^application\/json(; *charset=utf-8)?$/i;
/** Characters of texts that are remembered: more than there is room for in what is compiled of them. */
const TEXTS = 512 * 1024;
/** As many forms of the accept header are kept. */
const FORMS = 100;

type Headers = Readonly<Record<string, string>>;

export class WarmDoor {
  readonly #operations: Operations;
  /** Texts that Apollo has checked and passed on. */
  readonly #texts = new LRUCache<string, true>({ maxSize: TEXTS, sizeCalculation: (_, text) => text.length });
  /** What Apollo answers an accept header with. */
  readonly #headers = new Map<string, Headers>();

  constructor(operations: Operations) {
    this.#operations = operations;
  }

  /** Apollo has let the text through. */
  admit(text: string): void {
    this.#texts.set(text, true);
  }

  /** Apollo has passed the request on and answered it so. */
  learn(request: GraphqlRequest, answer: GraphqlAnswer): void {
    if (request.method !== 'POST' || ![200, 400].includes(answer.status) || this.#headers.size >= FORMS) return;
    this.#headers.set(formOf(request), answer.headers);
  }

  /** Null: this is for Apollo. `body` is the parsed body. */
  async answer(request: GraphqlRequest, body: unknown): Promise<GraphqlAnswer | null> {
    const headers = this.#headers.get(formOf(request));
    if (!headers || request.method !== 'POST' || request.search !== '') return null;
    if (!JSON_TYPE.test(String(request.headers['content-type']))) return null;
    if (!isPlain(body) || !this.#texts.get(body.query)) return null;
    const { query, operationName, variables, extensions } = body;
    const answer = await this.#operations.run({
      query,
      operationName: operationName ?? undefined,
      variables: variables ?? undefined,
      ...(extensions ? { extensions } : {}),
      principal: request.principal,
      signal: request.signal,
    });
    // Where there is text, `data` would be made of it only to be looked at.
    if (answer.text) return { status: 200, headers, body: bodyOf(answer.text(), answer) };
    if (answer.data !== undefined) return { status: 200, headers, body: bodyOf(JSON.stringify(answer.data), answer) };
    // A refusal is answered at once: it must not cost more than an answer.
    const errors = (answer.errors ?? []).map((one) => shown(one));
    return { status: statusOf(errors, headers['content-type'] ?? ''), headers, body: JSON.stringify({ errors }) };
  }
}

/** The body of an executed operation, in the order that the specification asks for. */
export function bodyOf(data: string, rest: Pick<OperationAnswer, 'errors' | 'extensions'>): string {
  const errors =
    rest.errors && rest.errors.length > 0 ? `"errors":${JSON.stringify(rest.errors.map((one) => shown(one)))},` : '';
  return `{${errors}"data":${data}${rest.extensions ? `,"extensions":${JSON.stringify(rest.extensions)}` : ''}}`;
}

/** Our codes, no stack, no "did you mean" of what a client may not know. `error`: as Apollo holds it. */
export function shown(formatted: GraphQLFormattedError, error?: unknown): GraphQLFormattedError {
  const { stacktrace: _, ...extensions } = formatted.extensions ?? {};
  const code = codeOf(extensions['code'], error);
  const message = code === 'INTERNAL' ? 'Something went wrong in the hub.' : formatted.message;
  return { ...formatted, message, extensions: { ...extensions, ...(code ? { code } : {}) } };
}

/** Apollo calls every literal that cannot be read a fault of validation, and what it refuses without a code an error of the server. */
function codeOf(code: unknown, error: unknown): unknown {
  const { originalError, extensions } = (error ?? {}) as Partial<GraphQLError>;
  if (code === 'GRAPHQL_VALIDATION_FAILED') {
    const own = (originalError as Partial<GraphQLError> | undefined)?.extensions?.['code'];
    return own === 'BAD_USER_INPUT' ? own : code;
  }
  if (code !== 'INTERNAL_SERVER_ERROR') return code;
  const { status } = (extensions?.['http'] ?? {}) as { status?: number };
  return status === 400 ? 'BAD_REQUEST' : 'INTERNAL';
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
    (operationName === undefined ||
      operationName === null ||
      (typeof operationName === 'string' && operationName !== '')) &&
    (variables === undefined || variables === null || isObject(variables)) &&
    (extensions === undefined ||
      extensions === null ||
      (isObject(extensions) && Object.keys(extensions).every((one) => KNOWN_EXTENSIONS.has(one))))
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const formOf = (request: GraphqlRequest): string => String(request.headers['accept'] ?? '');
