/** What a face asks of `Operations.run`, and what it is answered. */
import { type DocumentNode, type ExecutionResult, GraphQLError, type GraphQLFormattedError } from 'graphql';
import type { Principal } from '../../connectors/kit/auth/principal.ts';
import type { HubError } from '../../connectors/kit/errors.ts';
import type { Departure } from '../../connectors/kit/guard/client-disconnect.ts';

export interface OperationRequest {
  readonly query: string;
  /** The text parsed without locations, where `Operations.admit` has done that. */
  readonly document?: DocumentNode | undefined;
  readonly operationName?: string | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  /** The request's own `extensions`. */
  readonly extensions?: Readonly<Record<string, unknown>>;
  /** Null: nobody is signed in. */
  readonly principal: Principal | null;
  /** Aborts when the client has gone, or tells it on asking. */
  readonly signal: AbortSignal | Departure;
  /** What the client sent, where `query` is the gateway's own text: named in the audit log by its hash. */
  readonly asked?: string;
  /** All who get the answer, where that is not the principal alone: named in the audit log. */
  readonly readers?: readonly { readonly subject: string; readonly client: string }[];
  /** True for documents that the gateway made itself and that may name internal fields. */
  readonly internal?: boolean;
}

export interface OperationAnswer {
  /** Absent when the operation was not executed at all. */
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly GraphQLFormattedError[];
  readonly extensions?: Record<string, unknown>;
  /** The JSON of `data`, where it is ready. */
  text?(): string;
}

/** The answer as graphql-js would have it: what libraries of transports take. */
export const resultOf = ({ data, errors, extensions }: OperationAnswer): ExecutionResult => ({
  ...(data === undefined ? {} : { data }),
  ...(errors
    ? {
        errors: errors.map(
          (one) => new GraphQLError(one.message, { path: one.path ?? null, extensions: one.extensions ?? null }),
        ),
      }
    : {}),
  ...(extensions ? { extensions } : {}),
});

/** Adds the signature to the answer's extensions. */
export type Sign = (request: OperationRequest, answer: OperationAnswer) => Promise<OperationAnswer>;

/** The answer to what is refused before it is executed. */
export const refusal = (error: HubError): OperationAnswer => ({
  errors: [{ message: error.message, extensions: { ...error.extensions } }],
});
