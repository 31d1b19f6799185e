/**
 * The catalogue of errors that reach a client: code, meaning, and whether trying again helps.
 * docs/errors.md lists the same codes; tests/architecture.test.ts keeps both equal.
 */
export const ERRORS = {
  SOURCE_UNAVAILABLE: { retryable: true, meaning: 'The source cannot be reached, or its circuit breaker is open.' },
  SOURCE_TIMEOUT: { retryable: true, meaning: 'The source did not answer within the time allowed.' },
  SOURCE_REJECTED: { retryable: false, meaning: 'The source refused the request.' },
  SOURCE_MALFORMED: { retryable: false, meaning: 'The source answered something that cannot be understood.' },
  BAD_USER_INPUT: { retryable: false, meaning: 'An argument or variable is not of the form that the field needs.' },
  BAD_REQUEST: { retryable: false, meaning: 'The HTTP request is not a GraphQL request.' },
  GRAPHQL_PARSE_FAILED: { retryable: false, meaning: 'The document is not GraphQL.' },
  GRAPHQL_VALIDATION_FAILED: { retryable: false, meaning: 'The document does not fit the graph.' },
  OPERATION_RESOLUTION_FAILURE: { retryable: false, meaning: 'No operation of that name, or several and none named.' },
  PERSISTED_QUERY_NOT_FOUND: { retryable: true, meaning: 'The hash is unknown: send the text along.' },
  PERSISTED_QUERY_NOT_SUPPORTED: { retryable: false, meaning: 'Persisted queries are off.' },
  UNAUTHENTICATED: { retryable: false, meaning: 'The caller must be signed in.' },
  FORBIDDEN: { retryable: false, meaning: 'The caller lacks a right that the field needs.' },
  CONSENT_REQUIRED: { retryable: false, meaning: 'The company has not granted this client that purpose.' },
  LIMIT_DEPTH: { retryable: false, meaning: 'The document is nested too deeply.' },
  LIMIT_COST: { retryable: false, meaning: 'The operation costs too much.' },
  LIMIT_RATE: { retryable: true, meaning: 'Too many requests in too short a time.' },
  LIMIT_SIZE: { retryable: false, meaning: 'The request or the answer is too large.' },
  CURSOR_INVALID: { retryable: false, meaning: 'The cursor was not made by this hub, or for another list or filter.' },
  CURSOR_EXPIRED: { retryable: false, meaning: 'The place is older than what the log still holds.' },
  INTERNAL: { retryable: false, meaning: 'A fault of the hub; the log has it under errorId.' },
} as const;

export type ErrorCode = keyof typeof ERRORS;
export type SourceErrorCode = Extract<ErrorCode, `SOURCE_${string}`>;

/** A fault that a client may read: `message` is written for people and carries nothing of an upstream's text. */
export class HubError extends Error {
  readonly code: ErrorCode;
  readonly extensions: Readonly<Record<string, unknown>>;
  constructor(code: ErrorCode, message: string, extensions: Record<string, unknown> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'HubError';
    this.code = code;
    this.extensions = { code, ...extensions };
  }
}

/** Bad input of a client: an argument, a cursor, a filter. */
export const badInput = (message: string): HubError => new HubError('BAD_USER_INPUT', message);

/** This process has as much to do as it may hold: the legacy system is to send it again. */
export class Overloaded extends Error {
  override name = 'Overloaded';
}

/**
 * A fault of a legacy system. The connector throws it with what is known; the guard adds source and operation.
 * `detail` and `cause` go to the log only.
 */
export class SourceError extends Error {
  readonly code: SourceErrorCode;
  readonly detail: string;
  source = '';
  operation = '';
  /** True when the caller had no time left or went away, or too many wait: that says nothing of the source. */
  callers = false;
  constructor(code: SourceErrorCode, detail: string, cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause });
    this.name = 'SourceError';
    this.code = code;
    this.detail = detail;
  }
  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

/** The source cannot be reached: refused, reset, closed, no route. */
export const unavailable = (detail: string, cause?: unknown) => new SourceError('SOURCE_UNAVAILABLE', detail, cause);
/** The source did not answer in time. */
export const timeout = (detail: string, cause?: unknown) => new SourceError('SOURCE_TIMEOUT', detail, cause);
/** The source understood and said no: never retried. */
export const rejected = (detail: string, cause?: unknown) => new SourceError('SOURCE_REJECTED', detail, cause);
/** The source answered nonsense; `detail` names the field. */
export const malformed = (detail: string, cause?: unknown) => new SourceError('SOURCE_MALFORMED', detail, cause);

const NETWORK = /^(E(CONN|HOST|NET|PIPE|AI_|NOTFOUND|ADDR)|UND_ERR_(SOCKET|CONNECT)|PROTOCOL_CONNECTION_LOST|57P0)/;
/** What an HTTP parser or decompressor says of bytes that are none. */
const NONSENSE = /^(HPE_|UND_ERR_RES(PONSE)?_|Z_(DATA|BUF)_ERROR)/;
const SLOW = /^(ETIMEDOUT|ESOCKETTIMEDOUT|UND_ERR_(HEADERS|BODY)_TIMEOUT)/;

/** Any error of a source call as a `SourceError`, where it is one; faults of our own code stay what they are. */
export function sourceFault(error: unknown): unknown {
  if (error instanceof SourceError) return error;
  if (error instanceof SyntaxError) return malformed(error.message, error);
  for (let one: unknown = error; one instanceof Error; one = one.cause) {
    const code = String((one as { code?: unknown }).code ?? '');
    if (SLOW.test(code)) return timeout(one.message, error);
    // undici's parser gives no code for bytes that are no HTTP at all.
    if (NONSENSE.test(code) || one.name === 'HTTPParserError') return malformed(`no HTTP: ${one.message}`, error);
    if (NETWORK.test(code)) return unavailable(`${code}: ${one.message}`, error);
    if (one instanceof AggregateError && one.errors.length > 0) return sourceFault(one.errors[0]);
  }
  return error;
}

const SENTENCES: Record<SourceErrorCode, string> = {
  SOURCE_UNAVAILABLE: 'cannot be reached at the moment',
  SOURCE_TIMEOUT: 'did not answer in time',
  SOURCE_REJECTED: 'refused the request',
  SOURCE_MALFORMED: 'gave an answer that cannot be understood',
};

/** What a client may know of any fault; everything else stays in the log under `errorId`. */
export function publicError(
  error: unknown,
  errorId: () => string,
): { message: string; extensions: Record<string, unknown> } {
  if (error instanceof HubError) return { message: error.message, extensions: { ...error.extensions } };
  if (error instanceof SourceError) {
    return {
      message: `The source ${error.source || 'behind this field'} ${SENTENCES[error.code]}.`,
      extensions: {
        code: error.code,
        ...(error.source ? { source: error.source } : {}),
        retryable: error.retryable,
      },
    };
  }
  return { message: 'Something went wrong in the hub.', extensions: { code: 'INTERNAL', errorId: errorId() } };
}
