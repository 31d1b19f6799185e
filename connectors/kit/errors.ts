/**
 * The error codes that clients receive: meaning, and whether a retry can succeed. docs/errors.md lists the same codes, which
 * tests/architecture.test.ts verifies.
 */
export const ERRORS = {
  SOURCE_UNAVAILABLE: { retryable: true, meaning: 'The source cannot be reached, or its circuit breaker is open.' },
  SOURCE_TIMEOUT: { retryable: true, meaning: 'The source did not respond in time.' },
  SOURCE_REJECTED: { retryable: false, meaning: 'The source rejected the request.' },
  SOURCE_MALFORMED: { retryable: false, meaning: 'The source returned an invalid response.' },
  BAD_USER_INPUT: { retryable: false, meaning: 'An argument or variable is invalid.' },
  BAD_REQUEST: { retryable: false, meaning: 'The HTTP request is not a GraphQL request.' },
  GRAPHQL_PARSE_FAILED: { retryable: false, meaning: 'The document is not valid GraphQL.' },
  GRAPHQL_VALIDATION_FAILED: { retryable: false, meaning: 'The document does not match the schema.' },
  OPERATION_RESOLUTION_FAILURE: {
    retryable: false,
    meaning: 'The document has no operation of that name, or several and none is named.',
  },
  PERSISTED_QUERY_NOT_FOUND: { retryable: true, meaning: 'The hash is unknown. Send the query text with it.' },
  PERSISTED_QUERY_NOT_SUPPORTED: { retryable: false, meaning: 'Persisted queries are disabled.' },
  UNAUTHENTICATED: { retryable: false, meaning: 'Authentication is required.' },
  FORBIDDEN: { retryable: false, meaning: 'The caller lacks a right that the field requires.' },
  CONSENT_REQUIRED: {
    retryable: false,
    meaning: 'The company has not given this client its consent for that purpose.',
  },
  LIMIT_DEPTH: { retryable: false, meaning: 'The document is nested too deeply.' },
  LIMIT_COST: { retryable: false, meaning: 'The operation is too expensive.' },
  LIMIT_RATE: { retryable: true, meaning: 'Too many requests.' },
  LIMIT_SIZE: { retryable: false, meaning: 'The request or the response is too large.' },
  CURSOR_INVALID: { retryable: false, meaning: 'The cursor belongs to another hub, list or filter.' },
  CURSOR_EXPIRED: { retryable: false, meaning: 'The cursor is older than the oldest event in the log.' },
  INTERNAL: { retryable: false, meaning: 'Internal error of the hub. The log has the details under errorId.' },
} as const;

export type ErrorCode = keyof typeof ERRORS;
export type SourceErrorCode = Extract<ErrorCode, `SOURCE_${string}`>;

/** An error whose message is sent to the client; never contains text of a source. */
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

/**
 * The configuration of a source does not match the description that the source publishes, or one of them is invalid. The message says
 * where. `detail`: the message of a library, for the log and the command line only.
 */
export class DeclarationError extends Error {
  override name = 'DeclarationError';
  readonly detail: string | null;
  constructor(message: string, detail: string | null = null) {
    super(message);
    this.detail = detail;
  }
  /** Message and detail, for the operator. */
  get fullMessage(): string {
    return this.detail === null ? this.message : `${this.message} (${this.detail})`;
  }
}

/** BAD_USER_INPUT: an invalid argument, cursor or filter. */
export const badInput = (message: string): HubError => new HubError('BAD_USER_INPUT', message);

/** A process limit is reached. A webhook is answered with 503, so that the sender repeats it. */
export class OverloadedError extends Error {
  override name = 'OverloadedError';
}

/** An error of a legacy system. Connectors throw it; the guard adds source and operation. `detail` and `cause` are for the log only. */
export class SourceError extends Error {
  readonly code: SourceErrorCode;
  readonly detail: string;
  source = '';
  operation = '';
  /** The caller's time was used up, the caller disconnected or the queue was full: not a failure of the source. */
  causedByCaller = false;
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

/** The connection to the source failed or was closed. */
export const unavailable = (detail: string, cause?: unknown) => new SourceError('SOURCE_UNAVAILABLE', detail, cause);
/** The source did not respond in time. */
export const timeout = (detail: string, cause?: unknown) => new SourceError('SOURCE_TIMEOUT', detail, cause);
/** The source understood the request and rejected it; never retried. */
export const rejected = (detail: string, cause?: unknown) => new SourceError('SOURCE_REJECTED', detail, cause);
/** The response of the source is invalid; `detail` names the field. */
export const malformed = (detail: string, cause?: unknown) => new SourceError('SOURCE_MALFORMED', detail, cause);

const CONNECTION_ERRORS =
  /^(E(CONN|HOST|NET|PIPE|AI_|NOTFOUND|ADDR)|UND_ERR_(SOCKET|CONNECT)|PROTOCOL_CONNECTION_LOST|57P0)/;
/** Codes of HTTP parsers and decompressors for invalid data. */
const PROTOCOL_ERRORS = /^(HPE_|UND_ERR_RES(PONSE)?_|Z_(DATA|BUF)_ERROR)/;
const TIMEOUTS = /^(ETIMEDOUT|ESOCKETTIMEDOUT|UND_ERR_(HEADERS|BODY)_TIMEOUT)/;

/** The error of a source call as a `SourceError`. Errors of the hub's own code are returned unchanged. */
export function toSourceError(error: unknown): unknown {
  if (error instanceof SourceError) return error;
  if (error instanceof SyntaxError) return malformed(error.message, error);
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const code = String((cause as { code?: unknown }).code ?? '');
    if (TIMEOUTS.test(code)) return timeout(cause.message, error);
    // The error of undici's parser for data that is not HTTP has no code.
    if (PROTOCOL_ERRORS.test(code) || cause.name === 'HTTPParserError')
      return malformed(`invalid HTTP: ${cause.message}`, error);
    if (CONNECTION_ERRORS.test(code)) return unavailable(`${code}: ${cause.message}`, error);
    if (cause instanceof AggregateError && cause.errors.length > 0) return toSourceError(cause.errors[0]);
  }
  return error;
}

/** What the source did, and what the client can do. */
const SOURCE_MESSAGES: Readonly<Record<SourceErrorCode, readonly [string, string?]>> = {
  SOURCE_UNAVAILABLE: ['is unavailable', 'Retry later.'],
  SOURCE_TIMEOUT: ['did not respond in time', 'Retry later.'],
  SOURCE_REJECTED: ['rejected the request'],
  SOURCE_MALFORMED: ['returned an invalid response'],
};

/** The message that a client receives for an error of a source; `source`: the installation, null if unknown. */
export function sourceErrorMessage(source: string | null, code: SourceErrorCode): string {
  const [event, advice] = SOURCE_MESSAGES[code];
  return `${source === null ? 'The source of this field' : `Source ${source}`} ${event}.${advice ? ` ${advice}` : ''}`;
}

/** The message that a client receives for an error of the hub itself. */
export const INTERNAL_MESSAGE = 'Internal error. Report errorId to the operator.';

/** The error as a client receives it. Everything else is for the log only, under `errorId`. */
export function publicError(
  error: unknown,
  errorId: () => string,
): { message: string; extensions: Record<string, unknown> } {
  if (error instanceof HubError) return { message: error.message, extensions: { ...error.extensions } };
  if (error instanceof SourceError) {
    return {
      message: sourceErrorMessage(error.source || null, error.code),
      extensions: {
        code: error.code,
        ...(error.source ? { source: error.source } : {}),
        retryable: error.retryable,
      },
    };
  }
  return { message: INTERNAL_MESSAGE, extensions: { code: 'INTERNAL', errorId: errorId() } };
}
