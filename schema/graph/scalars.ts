import { GraphQLError, GraphQLScalarType, Kind, type ValueNode } from 'graphql';
import { isRegionCode, parsePlate, parseUscc } from './identifiers.ts';

interface ScalarOptions<I> {
  readonly name: string;
  readonly description: string;
  /** Ends the sentence "Expected a USCC such as". */
  readonly example: string;
  /** Parses client input; null if invalid. */
  parse(text: string): I | null;
  /** Serializes a value; null if invalid. */
  print(value: unknown): string | null;
}

/** A scalar with one text form. Errors for client input include the example. */
function scalar<I>(form: ScalarOptions<I>): GraphQLScalarType<I, string> {
  const parse = (value: unknown): I => {
    const parsed = typeof value === 'string' ? form.parse(value) : null;
    if (parsed === null) {
      throw new GraphQLError(`Expected a ${form.name} such as ${form.example}.`, {
        extensions: { code: 'BAD_USER_INPUT' },
      });
    }
    return parsed;
  };
  return new GraphQLScalarType<I, string>({
    name: form.name,
    description: form.description,
    parseValue: parse,
    parseLiteral: (node: ValueNode) => parse(node.kind === Kind.STRING ? node.value : undefined),
    serialize: (value) => {
      const text = form.print(value);
      if (text === null) throw new GraphQLError(`A source returned a value that is not a valid ${form.name}.`);
      return text;
    },
  });
}

const printIf = (value: unknown, test: (text: string) => boolean): string | null =>
  typeof value === 'string' && test(value) ? value : null;

const DECIMAL = /^-?(0|[1-9]\d*)(\.\d+)?$/;
const isDecimal = (text: string) => DECIMAL.test(text);
const DATE_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;
const PERIOD = /^\d{4}(-(Q[1-4]|0[1-9]|1[0-2]))?$/;

function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

/** Milliseconds as an ISO 8601 duration in days, hours, minutes and seconds. */
export function printDuration(milliseconds: number): string {
  const sign = milliseconds < 0 ? '-' : '';
  let rest = Math.abs(Math.round(milliseconds));
  const days = Math.floor(rest / 86_400_000);
  rest %= 86_400_000;
  const hours = Math.floor(rest / 3_600_000);
  rest %= 3_600_000;
  const minutes = Math.floor(rest / 60_000);
  const seconds = (rest % 60_000) / 1000;
  const time = `${hours ? `${hours}H` : ''}${minutes ? `${minutes}M` : ''}${seconds ? `${seconds}S` : ''}`;
  if (!days && !time) return 'PT0S';
  return `${sign}P${days ? `${days}D` : ''}${time ? `T${time}` : ''}`;
}

/** Parses an ISO 8601 duration of weeks to seconds to milliseconds; null if invalid, or with years or months. */
export function parseDuration(text: string): number | null {
  const parts = /^(-)?P(?=.)(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,3})?)S)?)?$/.exec(
    text,
  );
  if (!parts) return null;
  const [weeks, days, hours, minutes, seconds] = parts.slice(2).map((part) => Number(part ?? 0));
  const total = ((weeks ?? 0) * 7 + (days ?? 0)) * 86_400_000 + (hours ?? 0) * 3_600_000;
  const all = total + (minutes ?? 0) * 60_000 + Math.round((seconds ?? 0) * 1000);
  return parts[1] ? -all : all;
}

export const USCC = scalar({
  name: 'USCC',
  description:
    'Unified social credit code, GB 32100: 18 characters, upper case, with valid check characters (codes that Xiamen issued before 2016 may have another last one).',
  example: '"91500112MA5U0H4T21"',
  parse: parseUscc,
  print: (value) => (typeof value === 'string' ? parseUscc(value) : null),
});
export const Plate = scalar({
  name: 'Plate',
  description: 'Number plate, GA 36: upper case, half width, no dot.',
  example: '"渝A12345"',
  parse: parsePlate,
  print: (value) => (typeof value === 'string' ? parsePlate(value) : null),
});
export const RegionCode = scalar({
  name: 'RegionCode',
  description: 'Administrative division, GB/T 2260: six digits.',
  example: '"500112"',
  parse: (text) => (isRegionCode(text) ? text : null),
  print: (value) => printIf(value, isRegionCode),
});
export const DateTime = scalar<Date>({
  name: 'DateTime',
  description: 'ISO 8601 with offset and milliseconds.',
  example: '"2026-03-01T08:00:00+08:00"',
  parse: (text) => {
    if (!DATE_TIME.test(text) || !isDate(text.slice(0, 10))) return null;
    const time = new Date(text);
    return Number.isNaN(time.getTime()) ? null : time;
  },
  print: (value) => (value instanceof Date && !Number.isNaN(value.getTime()) ? value.toISOString() : null),
});
export const CalendarDate = scalar({
  name: 'Date',
  description: 'ISO 8601 calendar day.',
  example: '"2026-03-01"',
  parse: (text) => (isDate(text) ? text : null),
  print: (value) => printIf(value, isDate),
});
export const Duration = scalar<number>({
  name: 'Duration',
  description: 'ISO 8601 duration, such as PT4M12.5S.',
  example: '"PT4M12.5S"',
  parse: parseDuration,
  print: (value) => (typeof value === 'number' && Number.isFinite(value) ? printDuration(value) : null),
});
export const Period = scalar({
  name: 'Period',
  description: 'Calendar period: 2026, 2026-Q1 or 2026-03.',
  example: '"2026-Q1"',
  parse: (text) => (PERIOD.test(text) ? text : null),
  print: (value) => printIf(value, (text) => PERIOD.test(text)),
});
export const Decimal = scalar({
  name: 'Decimal',
  description: 'Exact decimal number, as a string.',
  example: '"2201.7838"',
  parse: (text) => (isDecimal(text) ? text : null),
  print: (value) => (typeof value === 'bigint' ? String(value) : printIf(value, isDecimal)),
});
export const SquareMetres = scalar({
  name: 'SquareMetres',
  description: 'Square metres, as an exact decimal string.',
  example: '"1250.5"',
  parse: (text) => (isDecimal(text) ? text : null),
  print: (value) => printIf(value, isDecimal),
});
/** Characters. */
const MAX_CURSOR_LENGTH = 1024;

export const Cursor = scalar({
  name: 'Cursor',
  description: 'Opaque signed position in a list or in the event log, valid only for the same list and filter.',
  example: 'the endCursor of a page',
  parse: (text) => (text.length > 0 && text.length <= MAX_CURSOR_LENGTH ? text : null),
  print: (value) => printIf(value, (text) => text.length > 0),
});

/** Our own scalars, by name. */
export const SCALARS: ReadonlyMap<string, GraphQLScalarType> = new Map(
  [USCC, Plate, RegionCode, DateTime, CalendarDate, Duration, Period, Decimal, SquareMetres, Cursor].map((scalar) => [
    scalar.name,
    scalar as GraphQLScalarType,
  ]),
);

/** Characters of an `ID` argument. PostgreSQL indexes up to 2,704 bytes, and a character takes up to three. */
export const MAX_ID_LENGTH = 512;
