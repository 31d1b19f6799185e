/** Guesses a column's type, link, uniqueness and sensitivity from its name and values. Pure. */
import { parseUscc } from '../../../schema/graph/identifiers.ts';
import type { FieldType, Link } from '../core/declaration.ts';

export interface ColumnGuess {
  readonly type: FieldType;
  readonly link: Link | null;
  /** The values are licence plates. */
  readonly plate: boolean;
  /** Every row has a value, and all values differ. */
  readonly unique: boolean;
  /** The values are about persons. */
  readonly personal: boolean;
  readonly list: boolean;
  /** Why the type was chosen, for messages. */
  readonly evidence: string;
}

const DAY = /^\d{4}([-/.]\d{1,2}[-/.]\d{1,2}|年\d{1,2}月\d{1,2}日)$/;
const TIME =
  /^\d{4}([-/.]\d{1,2}[-/.]\d{1,2}|年\d{1,2}月\d{1,2}日)[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$/;
const PLATE = /^[\u4e00-\u9fa5][A-Z][A-Z0-9·]{5,7}$/;
/** A Chinese mobile phone number or identity card number. */
const PERSON = /^(1[3-9]\d{9}|\d{17}[\dXx])$/;
const PERSONAL =
  /phone|mobile|e-?mail|contact|person|identity|id_?card|birth|surname|first_?name|last_?name|full_?name|姓名|电话|手机|联系|身份证|邮箱/i;
const AMOUNT = /amount|price|rent|fee|cost|sum|total|area|rate|value|balance|金额|租金|费|面积|价/i;

/** From this number of values on, this share of them is enough for a type; rows with other values are rejected when they are read. */
const MIN_TOLERANT_COUNT = 20;
const TOLERANT_SHARE = 0.95;

/** `codes`: the names of the park's buildings in the legacy systems. */
export function guessColumn(name: string, values: readonly unknown[], codes: ReadonlySet<string>): ColumnGuess {
  const present = values.filter((value) => value !== null && value !== undefined && value !== '');
  const texts = present.filter((value) => typeof value !== 'object').map((value) => String(value).trim());
  /** Number of texts that pass; 0 if they are too few. */
  const countMatches = (test: (text: string) => boolean): number => {
    const count = texts.filter(test).length;
    return count === texts.length || (texts.length >= MIN_TOLERANT_COUNT && count >= texts.length * TOLERANT_SHARE)
      ? count
      : 0;
  };
  const personal = PERSONAL.test(name) || countMatches((text) => PERSON.test(text)) > 0;
  const buildings = countMatches((text) => codes.has(text));
  const companies = countMatches((text) => parseUscc(text) !== null);
  const link: Link | null = buildings > 0 ? 'Building.id' : companies > 0 ? 'Company.uscc' : null;
  const common = {
    link,
    plate: countMatches((text) => PLATE.test(text)) > 0,
    unique: texts.length > 0 && texts.length === values.length && new Set(texts).size === texts.length,
    personal,
    list: present.some(Array.isArray),
  };
  if (present.length === 0) return { ...common, type: 'String', evidence: 'the column has no values' };
  // Personal values are not printed.
  const sample = personal || texts[0] === undefined ? '' : `, such as ${JSON.stringify(texts[0].slice(0, 24))}`;
  if (link)
    return {
      ...common,
      type: 'String',
      evidence: `${buildings || companies} of ${texts.length} values match${sample}`,
    };
  if (common.list) return { ...common, type: 'String', evidence: 'a list' };
  for (const { type, test } of TYPES) {
    const count = countMatches(test);
    if (count === 0 || (type === 'Decimal' && !AMOUNT.test(name) && !texts.some((text) => text.includes('.'))))
      continue;
    if (type === 'Int' && AMOUNT.test(name)) continue;
    const rest = count < texts.length ? '; other rows are rejected' : '';
    return { ...common, type, evidence: `${count} of ${texts.length} values${sample}${rest}` };
  }
  return { ...common, type: 'String', evidence: `text${sample}` };
}

/** From the narrowest type. Numbers with a leading 0 or more than 9 digits are codes; amounts are decimals. */
const TYPES: readonly { readonly type: FieldType; test(text: string): boolean }[] = [
  { type: 'Boolean', test: (text) => /^(true|false|yes|no)$/i.test(text) },
  { type: 'Int', test: (text) => /^-?(0|[1-9]\d{0,8})$/.test(text) },
  { type: 'Decimal', test: (text) => /^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(text) },
  { type: 'Date', test: (text) => DAY.test(text) },
  { type: 'DateTime', test: (text) => DAY.test(text) || TIME.test(text) },
];
