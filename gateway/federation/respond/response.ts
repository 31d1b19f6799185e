/** What an operation brought: its data as text ready to send, and as an object for those who must look into it. */
import type { GraphQLFormattedError } from 'graphql';
import type { Touched } from './accessed-fields.ts';
import type { ProofEntry } from './provenance.ts';

export interface Answer {
  readonly data: Record<string, unknown> | null;
  readonly errors?: readonly GraphQLFormattedError[];
  /** What was touched of what must be accounted for; absent when nothing was. */
  readonly touched?: Touched | null;
  /** Where the values come from; absent when nobody asked. */
  readonly provenance?: readonly ProofEntry[];
  /** The JSON of `data`. */
  text(): string;
}

/** The answer to what is refused before anything is fetched: it has no data, as the specification of GraphQL says (section 7.1). */
export interface RefusedAnswer {
  readonly errors: readonly GraphQLFormattedError[];
  readonly data?: undefined;
  readonly text?: undefined;
}

/** Holds one of text and object, and makes the other at first use. */
export class Made implements Answer {
  declare readonly errors?: readonly GraphQLFormattedError[];
  declare touched?: Touched | null;
  declare provenance?: readonly ProofEntry[];
  #text: string | undefined;
  #data: Record<string, unknown> | null | undefined;

  private constructor(
    text: string | undefined,
    data: Record<string, unknown> | null | undefined,
    errors: readonly GraphQLFormattedError[],
  ) {
    this.#text = text;
    this.#data = data;
    if (errors.length > 0) this.errors = errors;
  }

  static ofText(text: string, errors: readonly GraphQLFormattedError[] = []): Made {
    return new Made(text, undefined, errors);
  }

  static ofData(data: Record<string, unknown> | null, errors: readonly GraphQLFormattedError[] = []): Made {
    return new Made(undefined, data, errors);
  }

  get data(): Record<string, unknown> | null {
    if (this.#data === undefined) this.#data = JSON.parse(this.#text as string) as Record<string, unknown> | null;
    return this.#data;
  }

  text(): string {
    this.#text ??= JSON.stringify(this.#data);
    return this.#text;
  }

  toJSON(): unknown {
    return { data: this.data, ...(this.errors ? { errors: this.errors } : {}) };
  }
}
