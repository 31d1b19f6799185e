/** The texts of operations: none is looked at by anybody else before it is found within the limits. */
import { type DocumentNode, getOperationAST, parse } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Limits } from '../../connectors/kit/config/sections/limits.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import { compact, LARGE } from '../federation/index.ts';
import { checkDocument, checkText, introspects, refuseIntrospection } from '../trust/limits/document-limits.ts';

/** Characters of texts that are remembered as within the limits; more than there is room for in what is compiled of them. */
const TEXTS = 512 * 1024;

export class Texts {
  readonly #limits: Limits;
  /** Texts that have passed the limits, each with whether it introspects. */
  readonly #admitted = new LRUCache<string, 'introspects' | 'plain'>({
    maxSize: TEXTS,
    sizeCalculation: (_, text) => text.length,
  });

  /** Whether an operation is a subscription, by its name and text; of texts that hold the word alone. */
  readonly #subscriptions = new LRUCache<string, boolean>({
    maxSize: TEXTS,
    sizeCalculation: (_, key) => key.length,
  });

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /**
   * Parses within the limits, without locations: they hold every token of the text. `introspection`: whether this caller may ask what the
   * graph holds. Throws a `HubError`.
   */
  parse(query: string, introspection: boolean): DocumentNode {
    const document = this.#within(query);
    if (!introspection && introspects(document)) refuseIntrospection();
    return document;
  }

  #within(query: string): DocumentNode {
    checkText(query, this.#limits);
    let document: DocumentNode;
    try {
      document = parse(query, { maxTokens: this.#limits.tokens, noLocation: true });
    } catch (error) {
      const text = error instanceof Error ? error.message : 'The document is not GraphQL.';
      if (/tokens/.test(text))
        throw new HubError('LIMIT_SIZE', `The document has more than ${this.#limits.tokens} tokens.`, {
          limit: this.#limits.tokens,
        });
      throw new HubError('GRAPHQL_PARSE_FAILED', text);
    }
    const selections = checkDocument(document, this.#limits);
    return selections > LARGE ? compact(document) : document;
  }

  /**
   * The document of a text that has not been let through before; null: it has. `introspection` as in `parse`: it is asked of every caller.
   * Throws a `HubError` when the text may not be run.
   */
  admit(query: string, introspection: boolean): DocumentNode | null {
    const known = this.#admitted.get(query);
    const document = known ? null : this.#within(query);
    const kind = known ?? (document && introspects(document) ? 'introspects' : 'plain');
    if (!known) this.#admitted.set(query, kind);
    if (kind === 'introspects' && !introspection) refuseIntrospection();
    return document;
  }

  /** Whether a request asks for a subscription; false for what is no document or is beyond the limits. */
  isSubscription(query: string, operationName: string | undefined): boolean {
    if (!/\bsubscription\b/.test(query)) return false;
    const key = `${operationName ?? ''}\0${query}`;
    let found = this.#subscriptions.get(key);
    if (found !== undefined) return found;
    try {
      found = getOperationAST(this.#within(query), operationName)?.operation === 'subscription';
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      found = false;
    }
    this.#subscriptions.set(key, found);
    return found;
  }
}
