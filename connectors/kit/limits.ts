/** The section `limits` of isthmus.yaml: what one document, one operation and one caller may use. The defaults protect. */

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

export type Limits = DocumentLimits & UseLimits;

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
  answer: 8 * 1024 * 1024,
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
