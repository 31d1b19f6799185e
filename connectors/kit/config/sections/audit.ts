/** The section `audit` of isthmus.yaml. */
import { isAbsolute } from 'node:path';
import { readMilliseconds } from '../settings.ts';

/** How the audit log is linked and kept. */
export interface AuditConfig {
  /** What links the entries of the audit log: SHA-256, or SM3 (GB/T 32905). */
  readonly digest: 'sha256' | 'sm3';
  /** How long entries are kept, in milliseconds; null: for ever. */
  readonly retention: number | null;
  /** A second folder for the signed heads, as an absolute path; null: none. */
  readonly heads: string | null;
}

/** Where the section is absent. */
export const NO_AUDIT: AuditConfig = { digest: 'sha256', retention: null, heads: null };

/** Reads the plain value; `fault` gets a sentence for each thing that is wrong. */
export function readAudit(raw: unknown, fault: (sentence: string) => void): AuditConfig {
  if (raw === null || raw === undefined) return NO_AUDIT;
  if (typeof raw !== 'object' || Array.isArray(raw)) {
    fault('audit must be a mapping; example: audit: { digest: sha256, retention: 1825d }');
    return NO_AUDIT;
  }
  const { digest, retention, heads, ...more } = raw as Record<string, unknown>;
  for (const name of Object.keys(more)) fault(`audit: ${name} is not known; known are digest, retention, heads`);
  if (digest !== undefined && digest !== 'sha256' && digest !== 'sm3') {
    fault(`audit: digest must be sha256 or sm3, found ${JSON.stringify(digest)}; example: audit: { digest: sm3 }`);
  }
  let kept: number | null = null;
  try {
    kept = retention === undefined ? null : readMilliseconds(retention);
  } catch (error) {
    fault(`audit: retention ${(error as Error).message}; example: audit: { retention: 1825d }`);
  }
  const folder = typeof heads === 'string' && isAbsolute(heads) ? heads : null;
  if (heads !== undefined && folder === null) {
    fault(
      `audit: heads must be the absolute path of a folder, found ${JSON.stringify(heads)}; example: audit: { heads: /mnt/audit-heads }`,
    );
  }
  return { digest: digest === 'sm3' ? 'sm3' : 'sha256', retention: kept, heads: folder };
}
