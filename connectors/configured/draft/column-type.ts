/** What a column is, from its values: type, link to the park, whether it tells rows apart, whether it is about a person. Pure. */
import { parseUscc } from '../../kit/identifiers.ts';
import type { FieldType, Link } from '../core/declaration.ts';

export interface Guess {
  readonly type: FieldType;
  readonly link: Link | null;
  /** Vehicles by their plate. */
  readonly plate: boolean;
  /** Every row has a value, and no two the same. */
  readonly unique: boolean;
  readonly personal: boolean;
  readonly list: boolean;
  /** What speaks for it, for people. */
  readonly why: string;
}

const DAY = /^\d{4}([-/.]\d{1,2}[-/.]\d{1,2}|年\d{1,2}月\d{1,2}日)$/;
const TIME =
  /^\d{4}([-/.]\d{1,2}[-/.]\d{1,2}|年\d{1,2}月\d{1,2}日)[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$/;
const PLATE = /^[\u4e00-\u9fa5][A-Z][A-Z0-9·]{5,7}$/;
/** A mobile phone, or a number of an identity card. */
const PERSON = /^(1[3-9]\d{9}|\d{17}[\dXx])$/;
const PERSONAL =
  /phone|mobile|e-?mail|contact|person|identity|id_?card|birth|surname|first_?name|last_?name|full_?name|姓名|电话|手机|联系|身份证|邮箱/i;
const AMOUNT = /amount|price|rent|fee|cost|sum|total|area|rate|value|balance|金额|租金|费|面积|价/i;

/** Of so many values at least, a few may be wrong: they are refused row by row when they come. */
const ENOUGH = 20;
const MOST = 0.95;

/** One column. `codes` are what the systems call the park's buildings. */
export function guess(name: string, values: readonly unknown[], codes: ReadonlySet<string>): Guess {
  const there = values.filter((one) => one !== null && one !== undefined && one !== '');
  const texts = there.filter((one) => typeof one !== 'object').map((one) => String(one).trim());
  const fits = (test: (text: string) => boolean): number => {
    const count = texts.filter(test).length;
    return count === texts.length || (texts.length >= ENOUGH && count >= texts.length * MOST) ? count : 0;
  };
  const personal = PERSONAL.test(name) || fits((one) => PERSON.test(one)) > 0;
  const named = fits((one) => codes.has(one));
  const companies = fits((one) => parseUscc(one) !== null);
  const link: Link | null = named > 0 ? 'Building.id' : companies > 0 ? 'Company.uscc' : null;
  const common = {
    link,
    plate: fits((one) => PLATE.test(one)) > 0,
    unique: texts.length > 0 && texts.length === values.length && new Set(texts).size === texts.length,
    personal,
    list: there.some(Array.isArray),
  };
  if (there.length === 0) return { ...common, type: 'String', why: 'no value to guess from' };
  // Values of people are not shown again on a screen.
  const shown = personal || texts[0] === undefined ? '' : `, such as ${JSON.stringify(texts[0].slice(0, 24))}`;
  if (link)
    return { ...common, type: 'String', why: `${named || companies} of ${texts.length} values name one${shown}` };
  if (common.list) return { ...common, type: 'String', why: 'a list' };
  for (const { type, test } of TYPES) {
    const count = fits(test);
    if (count === 0 || (type === 'Decimal' && !AMOUNT.test(name) && !texts.some((one) => one.includes('.')))) continue;
    if (type === 'Int' && AMOUNT.test(name)) continue;
    const rest = count < texts.length ? '; rows with another are refused' : '';
    return { ...common, type, why: `${count} of ${texts.length} values${shown}${rest}` };
  }
  return { ...common, type: 'String', why: `text${shown}` };
}

/** From the narrowest. A number that begins with 0, or is longer than a count, is a code; an amount is a decimal. */
const TYPES: readonly { readonly type: FieldType; test(text: string): boolean }[] = [
  { type: 'Boolean', test: (one) => /^(true|false|yes|no)$/i.test(one) },
  { type: 'Int', test: (one) => /^-?(0|[1-9]\d{0,8})$/.test(one) },
  { type: 'Decimal', test: (one) => /^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(one) },
  { type: 'Date', test: (one) => DAY.test(one) },
  { type: 'DateTime', test: (one) => DAY.test(one) || TIME.test(one) },
];
