/** The response to an operation: its data as JSON text and as an object, each created on demand. */
import type { GraphQLFormattedError } from 'graphql';
import type { AccessedFields } from './accessed-fields.ts';
import type { ProvenanceEntry } from './provenance.ts';

/** The response to an executed operation. */
export interface FederatedResponse {
  readonly data: Record<string, unknown> | null;
  readonly errors?: readonly GraphQLFormattedError[];
  /** Protected fields that were read; absent if there are none. */
  readonly accessedFields?: AccessedFields | null;
  /** Origin of the values; absent if it was not requested. */
  readonly provenance?: readonly ProvenanceEntry[];
  /** The JSON of `data`. */
  json(): string;
}

/** The response to a request that is rejected before execution: it has no data (GraphQL specification, section 7.1). */
export interface RejectedResponse {
  readonly errors: readonly GraphQLFormattedError[];
  readonly data?: undefined;
  readonly json?: undefined;
}

/** Holds the data as text or as an object, and converts it at first use. */
export class LazyResponse implements FederatedResponse {
  declare readonly errors?: readonly GraphQLFormattedError[];
  declare accessedFields?: AccessedFields | null;
  declare provenance?: readonly ProvenanceEntry[];
  #json: string | undefined;
  #data: Record<string, unknown> | null | undefined;

  private constructor(
    json: string | undefined,
    data: Record<string, unknown> | null | undefined,
    errors: readonly GraphQLFormattedError[],
  ) {
    this.#json = json;
    this.#data = data;
    if (errors.length > 0) this.errors = errors;
  }

  static ofJson(json: string, errors: readonly GraphQLFormattedError[] = []): LazyResponse {
    return new LazyResponse(json, undefined, errors);
  }

  static ofData(data: Record<string, unknown> | null, errors: readonly GraphQLFormattedError[] = []): LazyResponse {
    return new LazyResponse(undefined, data, errors);
  }

  get data(): Record<string, unknown> | null {
    if (this.#data === undefined) this.#data = JSON.parse(this.#json as string) as Record<string, unknown> | null;
    return this.#data;
  }

  json(): string {
    this.#json ??= JSON.stringify(this.#data);
    return this.#json;
  }

  toJSON(): unknown {
    return { data: this.data, ...(this.errors ? { errors: this.errors } : {}) };
  }
}
