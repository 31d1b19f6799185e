/** Parses and admits documents within the limits, once per text; no other parser sees a text before. */
import { type DocumentNode, getOperationAST, parse } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Limits } from '../../connectors/kit/config/sections/limits.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import { COMPACT_ABOVE_SELECTIONS, compactDocument } from '../federation/index.ts';
import {
  checkDocument,
  checkDocumentText,
  isIntrospection,
  rejectIntrospection,
} from '../trust/limits/document-limits.ts';

/** Characters of remembered texts, more than the plan cache can hold. */
const MAX_CHARACTERS = 512 * 1024;

export class DocumentCache {
  readonly #limits: Limits;
  /** Texts within the limits, and whether they introspect. */
  readonly #admitted = new LRUCache<string, 'introspects' | 'plain'>({
    maxSize: MAX_CHARACTERS,
    sizeCalculation: (_, text) => text.length,
  });

  /** Whether an operation is a subscription, by name and text; only for texts that contain the word. */
  readonly #subscriptions = new LRUCache<string, boolean>({
    maxSize: MAX_CHARACTERS,
    sizeCalculation: (_, key) => key.length,
  });

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /**
   * Parses without locations, which would keep every token of the text in memory. `introspection`: whether the caller may introspect.
   * Throws a `HubError`.
   */
  parse(query: string, introspection: boolean): DocumentNode {
    const document = this.#parseWithinLimits(query);
    if (!introspection && isIntrospection(document)) rejectIntrospection();
    return document;
  }

  #parseWithinLimits(query: string): DocumentNode {
    checkDocumentText(query, this.#limits);
    let document: DocumentNode;
    try {
      document = parse(query, { maxTokens: this.#limits.tokens, noLocation: true });
    } catch (error) {
      const text = error instanceof Error ? error.message : 'Invalid GraphQL document.';
      if (/tokens/.test(text))
        throw new HubError(
          'LIMIT_SIZE',
          `Document is too large: more than ${this.#limits.tokens.toLocaleString('en')} tokens. Split it into smaller operations.`,
          {
            limit: this.#limits.tokens,
          },
        );
      throw new HubError('GRAPHQL_PARSE_FAILED', text);
    }
    const selections = checkDocument(document, this.#limits);
    return selections > COMPACT_ABOVE_SELECTIONS ? compactDocument(document) : document;
  }

  /**
   * Checks the text against the limits; returns its document the first time, null when the text has passed before.
   * `introspection` as in `parse`. Throws a `HubError` when the caller may not run the text.
   */
  admit(query: string, introspection: boolean): DocumentNode | null {
    const known = this.#admitted.get(query);
    const document = known ? null : this.#parseWithinLimits(query);
    const kind = known ?? (document && isIntrospection(document) ? 'introspects' : 'plain');
    if (!known) this.#admitted.set(query, kind);
    if (kind === 'introspects' && !introspection) rejectIntrospection();
    return document;
  }

  /** True when the request is for a subscription; false for a text that is not GraphQL or exceeds a limit. */
  isSubscription(query: string, operationName: string | undefined): boolean {
    if (!/\bsubscription\b/.test(query)) return false;
    const key = `${operationName ?? ''}\0${query}`;
    let isSubscription = this.#subscriptions.get(key);
    if (isSubscription !== undefined) return isSubscription;
    try {
      isSubscription = getOperationAST(this.#parseWithinLimits(query), operationName)?.operation === 'subscription';
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      isSubscription = false;
    }
    this.#subscriptions.set(key, isSubscription);
    return isSubscription;
  }
}
