/** The section `limits` of isthmus.yaml: what one document, operation and caller may use, and what the process may hold. The defaults protect. */

export interface DocumentLimits {
  /** Characters of the text. */
  readonly text: number;
  /** Brackets of any kind within each other. */
  readonly brackets: number;
  /** Tokens, counted by the parser. */
  readonly tokens: number;
  /** Operations in one document. */
  readonly operations: number;
  /** Fields within fields. */
  readonly depth: number;
  /** Aliased fields in the whole document. */
  readonly aliases: number;
  /** Fields at the root of the operation. */
  readonly rootFields: number;
  /** Directives in the whole document. */
  readonly directives: number;
  /** Selections in the whole document, fragments counted wherever they are spread. */
  readonly fields: number;
}

export interface UseLimits {
  /** Points of one operation: one for each object that it may bring, lists counted by their page (`@cost`, `@listSize`). */
  readonly cost: number;
  /** Calls of one operation to one legacy system, at worst. */
  readonly calls: number;
  /** Points that one caller may use in a minute; 0: not counted. */
  readonly rate: number;
  /** Subscriptions that one caller may hold at once, over all its connections. */
  readonly subscriptions: number;
  /** Bytes of one answer. */
  readonly answer: number;
}

/** What one process holds at most, whoever it is for. Sizes in bytes. */
export interface ProcessLimits {
  /** Body of one webhook. */
  readonly webhook: number;
  /** Webhooks whose bodies are read at once; half of them for one installation. */
  readonly webhooks: number;
  /** Bodies of all webhooks that are being read. */
  readonly webhookBytes: number;
  /** Webhooks and messages that wait for a commit. */
  readonly commits: number;
  /** Their bodies. */
  readonly commitBytes: number;
  /** Readings of all sources that are kept in memory. */
  readonly readCache: number;
  /** What one caller has been sent and has not read, over all its connections. */
  readonly unread: number;
  /** What all callers have not read. */
  readonly unreadBytes: number;
  /** One answer of a source; the pages of one list may be four times as much together. */
  readonly sourceAnswer: number;
  /** Answers of all sources that are being read. */
  readonly sourceBytes: number;
}

export type Limits = DocumentLimits & UseLimits & ProcessLimits;

const MIB = 1024 * 1024;

export const DEFAULT_LIMITS: Limits = {
  text: 100_000,
  brackets: 100,
  tokens: 10_000,
  operations: 10,
  depth: 15,
  aliases: 30,
  rootFields: 20,
  directives: 50,
  fields: 2_000,
  cost: 20_000,
  calls: 500,
  rate: 600_000,
  subscriptions: 1_000,
  answer: 8 * MIB,
  webhook: MIB,
  webhooks: 64,
  webhookBytes: 8 * MIB,
  commits: 5_000,
  commitBytes: 16 * MIB,
  readCache: 128 * MIB,
  unread: 16 * MIB,
  unreadBytes: 128 * MIB,
  sourceAnswer: 16 * MIB,
  sourceBytes: 128 * MIB,
};

const PURPOSES: Readonly<Record<keyof Limits, string>> = {
  text: 'Characters of a document',
  brackets: 'Brackets within each other',
  tokens: 'Tokens of a document',
  operations: 'Operations in a document',
  depth: 'Fields within fields',
  aliases: 'Aliases in a document',
  rootFields: 'Fields at the root of an operation',
  directives: 'Directives in a document',
  fields: 'Fields in a document, fragments counted wherever they are spread',
  cost: 'Points of one operation: one for each object that it may bring',
  calls: 'Calls of one operation to one legacy system, at worst',
  rate: 'Points that a caller may use in a minute; 0: not counted',
  subscriptions: 'Subscriptions that a caller may hold at once',
  answer: 'Bytes of an answer',
  webhook: 'Bytes of one webhook',
  webhooks: 'Webhooks whose bodies this process reads at once; half of them for one installation',
  webhookBytes: 'Bytes of all webhooks that this process is reading',
  commits: 'Webhooks and messages that wait for a commit in this process',
  commitBytes: 'Bytes of all that waits for a commit in this process',
  readCache: 'Bytes of what was last read of all sources that this process keeps in memory, roughly',
  unread: 'Bytes that a caller has been sent and has not read, over all its connections',
  unreadBytes: 'Bytes that all callers of this process have not read',
  sourceAnswer: 'Bytes of one answer of a source; the pages of one list may be four times as much together',
  sourceBytes: 'Bytes of all answers of sources that this process is reading',
};

export const LIMIT_NAMES = Object.keys(DEFAULT_LIMITS) as (keyof Limits)[];
export const limitPurpose = (name: keyof Limits): string => PURPOSES[name];

/** Reads the section as plain values; `fault` takes each sentence. */
export function readLimits(raw: unknown, fault: (sentence: string) => void): Limits {
  if (raw === undefined || raw === null) return DEFAULT_LIMITS;
  if (typeof raw !== 'object' || Array.isArray(raw)) {
    fault('limits must be a mapping; example: limits: { depth: 10, rate: 60000 }');
    return DEFAULT_LIMITS;
  }
  const found: Record<string, number> = {};
  for (const [name, value] of Object.entries(raw)) {
    if (!LIMIT_NAMES.includes(name as keyof Limits)) {
      fault(`limits: ${name} is not known here; known are ${LIMIT_NAMES.join(', ')}`);
    } else if (!Number.isSafeInteger(value) || value < (name === 'rate' ? 0 : 1)) {
      fault(
        `limits: ${name} must be a whole number above 0, found ${JSON.stringify(value)}; example: ${name}: ${DEFAULT_LIMITS[name as keyof Limits]}`,
      );
    } else found[name] = value as number;
  }
  return { ...DEFAULT_LIMITS, ...found };
}
