/** The section `limits` of isthmus.yaml, with all defaults: what a document, an operation, a caller and the process may use. */

interface Limit {
  readonly default: number;
  readonly description: string;
}
const limit = (standard: number, description: string): Limit => ({ default: standard, description });

const MIB = 1024 * 1024;

/** Of the text of one document. */
const DOCUMENT = {
  text: limit(100_000, 'Characters in a document'),
  brackets: limit(100, 'Nesting depth of brackets of any kind in a document'),
  tokens: limit(10_000, 'Tokens in a document, counted by the parser'),
  operations: limit(10, 'Operations in a document'),
  depth: limit(15, 'Nesting depth of fields'),
  aliases: limit(30, 'Aliased fields in a document'),
  rootFields: limit(20, 'Root fields in an operation'),
  directives: limit(50, 'Directives in a document'),
  fields: limit(2_000, 'Fields in a document; those of a fragment count wherever it is spread'),
};

/** Of one operation or caller. */
const USE = {
  cost: limit(
    20_000,
    'Points of an operation: one for each object it may return, lists by page size (@cost, @listSize)',
  ),
  calls: limit(500, 'Calls of an operation to one source, in the worst case'),
  rate: limit(600_000, 'Points of a caller per minute; 0: unlimited'),
  subscriptions: limit(1_000, 'Concurrent subscriptions of a caller, on all its connections'),
  answer: limit(8 * MIB, 'Bytes of a response'),
};

/** Of one process, for all callers together. */
const PROCESS = {
  webhook: limit(MIB, 'Bytes of a webhook body'),
  webhooks: limit(64, 'Webhook bodies that the process reads at once; half of them for one installation'),
  webhookBytes: limit(8 * MIB, 'Bytes of all webhook bodies that the process is reading'),
  commits: limit(5_000, 'Webhooks and messages that wait for a commit in the process'),
  commitBytes: limit(16 * MIB, 'Bytes of all webhooks and messages that wait for a commit in the process'),
  readCache: limit(128 * MIB, 'Approximate bytes of the read cache in memory, for all sources'),
  unread: limit(16 * MIB, 'Bytes sent to a caller and not read yet, on all its connections'),
  unreadBytes: limit(128 * MIB, 'Bytes sent to all callers of the process and not read yet'),
  sourceAnswer: limit(
    16 * MIB,
    'Bytes of a response of a source; the pages of one list may have four times as many together',
  ),
  sourceBytes: limit(128 * MIB, 'Bytes of all source responses that the process is reading'),
};

const LIMITS = { ...DOCUMENT, ...USE, ...PROCESS };

export type DocumentLimits = { readonly [K in keyof typeof DOCUMENT]: number };
export type UseLimits = { readonly [K in keyof typeof USE]: number };
export type ProcessLimits = { readonly [K in keyof typeof PROCESS]: number };
export type Limits = DocumentLimits & UseLimits & ProcessLimits;

export const LIMIT_NAMES = Object.keys(LIMITS) as (keyof Limits)[];
export const DEFAULT_LIMITS = Object.fromEntries(
  LIMIT_NAMES.map((name) => [name, LIMITS[name].default]),
) as unknown as Limits;
export const limitDescription = (name: keyof Limits): string => LIMITS[name].description;

/** Reads the section. Reports every error to `addError` and uses the default for that limit. */
export function readLimits(raw: unknown, addError: (message: string) => void): Limits {
  if (raw === undefined || raw === null) return DEFAULT_LIMITS;
  if (typeof raw !== 'object' || Array.isArray(raw)) {
    addError('limits must be a mapping; example: limits: { depth: 10, rate: 60000 }');
    return DEFAULT_LIMITS;
  }
  const given: Record<string, number> = {};
  for (const [name, value] of Object.entries(raw)) {
    if (!LIMIT_NAMES.includes(name as keyof Limits)) {
      addError(`limits: unknown limit ${name}; limits: ${LIMIT_NAMES.join(', ')}`);
    } else if (!Number.isSafeInteger(value) || value < (name === 'rate' ? 0 : 1)) {
      addError(
        `limits: ${name} must be a positive integer${name === 'rate' ? ' or 0' : ''}, found ${JSON.stringify(value)}; example: ${name}: ${DEFAULT_LIMITS[name as keyof Limits]}`,
      );
    } else given[name] = value as number;
  }
  return { ...DEFAULT_LIMITS, ...given };
}
