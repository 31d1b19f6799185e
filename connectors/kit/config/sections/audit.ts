/** The section `audit` of isthmus.yaml: digest, retention and head files of the audit log. */
import { isAbsolute } from 'node:path';
import { readMilliseconds } from '../settings.ts';

export interface AuditConfig {
  /** Digest that links the entries: SHA-256, or SM3 (GB/T 32905). */
  readonly digest: 'sha256' | 'sm3';
  /** How long entries are kept, in milliseconds; null: forever. */
  readonly retention: number | null;
  /** Absolute path of a second folder for signed head files; null: none. */
  readonly heads: string | null;
}

/** Defaults. */
export const NO_AUDIT: AuditConfig = { digest: 'sha256', retention: null, heads: null };

/** Reads the section. Reports every error to `addError` and returns the default for that setting. */
export function readAudit(raw: unknown, addError: (message: string) => void): AuditConfig {
  if (raw === null || raw === undefined) return NO_AUDIT;
  if (typeof raw !== 'object' || Array.isArray(raw)) {
    addError('audit must be a mapping; example: audit: { digest: sha256, retention: 1825d }');
    return NO_AUDIT;
  }
  const { digest, retention, heads, ...more } = raw as Record<string, unknown>;
  for (const name of Object.keys(more)) addError(`audit: unknown setting ${name}; settings: digest, retention, heads`);
  if (digest !== undefined && digest !== 'sha256' && digest !== 'sm3') {
    addError(`audit: digest must be sha256 or sm3, found ${JSON.stringify(digest)}; example: audit: { digest: sm3 }`);
  }
  let retentionMs: number | null = null;
  try {
    retentionMs = retention === undefined ? null : readMilliseconds(retention);
  } catch (error) {
    addError(`audit: retention ${(error as Error).message}; example: audit: { retention: 1825d }`);
  }
  const folder = typeof heads === 'string' && isAbsolute(heads) ? heads : null;
  if (heads !== undefined && folder === null) {
    addError(
      `audit: heads must be an absolute folder path, found ${JSON.stringify(heads)}; example: audit: { heads: /mnt/audit-heads }`,
    );
  }
  return { digest: digest === 'sm3' ? 'sm3' : 'sha256', retention: retentionMs, heads: folder };
}
