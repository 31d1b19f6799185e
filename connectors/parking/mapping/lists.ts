/** The vendor's list answers, and its answers to changes. */
import { malformed, SourceError } from '../../kit/errors.ts';
import type { VendorPage } from '../model.ts';
import { type Item, list, object, text, whole } from './checks.ts';

/** An APDS list answer. */
export function page<T>(body: unknown, item: Item<T>, where = 'answer'): VendorPage<T> {
  const raw = object(body, where);
  const meta = object(raw['meta'], `${where}.meta`);
  return {
    items: list(raw['data'], 'data').map((one, i) => item(one, `data[${i}]`)),
    total: whole(meta['total'], 'meta.total'),
    instant: whole(meta['referenceInstant'], 'meta.referenceInstant', Number.MAX_SAFE_INTEGER),
    deleted: list(raw['deletedReferences'] ?? [], 'deletedReferences').map((one, i) =>
      text(object(one, `deletedReferences[${i}]`)['id'], `deletedReferences[${i}].id`),
    ),
  };
}

/**
 * A list of which single rows may be broken: those are refused with their place and reason, so that one of them does not
 * stop the rest. A page without one sound row is malformed as a whole.
 */
export function pageOfSound<T>(body: unknown, item: Item<T>): VendorPage<T> & { readonly refused: readonly string[] } {
  const refused: string[] = [];
  const all = page<T | null>(body, (raw, where) => {
    try {
      return item(raw, where);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      refused.push(error.detail);
      return null;
    }
  });
  if (refused.length > 0 && refused.length === all.items.length) throw malformed(refused[0] ?? '');
  return { ...all, items: all.items.filter((one) => one !== null), refused };
}

/** The vendor's answer to `group_by`: a page for each credential asked for; null from a vendor that cannot group. */
export function groups<T>(body: unknown, item: Item<T>): Map<string, VendorPage<T>> | null {
  const { groups: all } = object(body, 'answer');
  if (all === undefined) return null;
  return new Map(
    list(all, 'groups').map((one, i) => {
      const where = `groups[${i}]`;
      return [text(object(one, where)['credentialId'], `${where}.credentialId`), page(one, item, where)];
    }),
  );
}

/** The answer to a change; APDS may say no with status 200. Answers why, or null when it was done. */
export function refusal(body: unknown): string | null {
  const { status, code } = object(body, 'answer');
  if (status === 'ok') return null;
  if (status !== 'error') throw malformed('status is neither ok nor error');
  return `status error, code ${typeof code === 'number' ? code : 'not told'}`;
}
