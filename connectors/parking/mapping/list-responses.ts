/** The vendor's responses to list requests and to changes. */
import { malformed, SourceError } from '../../kit/errors.ts';
import type { VendorPage } from '../model.ts';
import { integer, list, object, type RowMapper, text } from './field-checks.ts';

/** Maps an APDS list response. Throws SOURCE_MALFORMED if any row is invalid. */
export function page<T>(body: unknown, item: RowMapper<T>, where = 'response'): VendorPage<T> {
  const raw = object(body, where);
  const meta = object(raw['meta'], `${where}.meta`);
  return {
    items: list(raw['data'], 'data').map((row, i) => item(row, `data[${i}]`)),
    total: integer(meta['total'], 'meta.total'),
    instant: integer(meta['referenceInstant'], 'meta.referenceInstant', Number.MAX_SAFE_INTEGER),
    deleted: list(raw['deletedReferences'] ?? [], 'deletedReferences').map((entry, i) =>
      text(object(entry, `deletedReferences[${i}]`)['id'], `deletedReferences[${i}].id`),
    ),
  };
}

/**
 * Like `page`, but invalid rows are left out and listed in `refused` with path and reason. Throws SOURCE_MALFORMED if no row is
 * valid.
 */
export function pageSkippingInvalid<T>(
  body: unknown,
  item: RowMapper<T>,
): VendorPage<T> & { readonly refused: readonly string[] } {
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
  return { ...all, items: all.items.filter((row) => row !== null), refused };
}

/** The response to `group_by`: one page per requested credential; null if the vendor does not support grouping. */
export function groups<T>(body: unknown, item: RowMapper<T>): Map<string, VendorPage<T>> | null {
  const { groups: all } = object(body, 'response');
  if (all === undefined) return null;
  return new Map(
    list(all, 'groups').map((group, i) => {
      const where = `groups[${i}]`;
      return [text(object(group, where)['credentialId'], `${where}.credentialId`), page(group, item, where)];
    }),
  );
}

/** Why a change was rejected, which APDS may do with status 200; null if it was accepted. */
export function rejectionReason(body: unknown): string | null {
  const { status, code } = object(body, 'response');
  if (status === 'ok') return null;
  if (status !== 'error') throw malformed('status is neither ok nor error');
  return `status error, code ${typeof code === 'number' ? code : 'missing'}`;
}
