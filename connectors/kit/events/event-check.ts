/** Whether an event fits its type in the graph: asked before it is appended, and again of what the log holds. One compiled check per kind. */
import {
  GraphQLBoolean,
  GraphQLError,
  GraphQLFloat,
  GraphQLID,
  GraphQLInt,
  type GraphQLScalarType,
  isScalarType,
} from 'graphql';
import { DateTime, Duration, LONGEST_ID, SCALARS, USCC } from '../../../schema/graph/scalars.ts';
import {
  type DataField,
  dataFields,
  EVENT_KINDS,
  eventType,
  KEY_COLUMNS,
  keyIn,
  type ValueType,
} from './event-types.ts';

/** Characters of one text in an event, at most: events carry keys, not records, and a hundred of them are one delivery. */
const LONGEST_TEXT = 65_536;
/** Bytes of a foreign id, at most: PostgreSQL indexes 2,704. */
const LONGEST_FOREIGN_ID = 2_000;
const FIRST = Date.parse('0001-01-01T00:00:00Z');
const LAST = Date.parse('9999-12-31T23:59:59.999Z');

/** What is wrong with an event: at which field, in a sentence's end such as `must be an Int, found a text`. Holds no value of the event. */
export interface EventFault {
  readonly field: string;
  readonly problem: string;
}

/** A fault of a value that PostgreSQL could not hold in any field. */
const UNSTORABLE_ENDING = 'without NUL or half a surrogate pair';
export const isUnstorable = ({ problem }: EventFault): boolean => problem.includes(UNSTORABLE_ENDING);

/** What is checked of an event, whether it comes in or lies in the log. */
export interface CheckedEvent {
  readonly kind: unknown;
  readonly time: unknown;
  readonly data?: unknown;
  readonly company?: unknown;
  readonly vehicle?: unknown;
  readonly door?: unknown;
  readonly badge?: unknown;
  readonly lot?: unknown;
  readonly meter?: unknown;
  readonly case?: unknown;
}

/** Null, or what was expected. */
type Test = (value: unknown) => string | null;

/** NUL, and half a surrogate pair: PostgreSQL holds neither. */
const UNSTORABLE = /[\0\p{Surrogate}]/u;
const isStorable = (text: string): boolean => !UNSTORABLE.test(text);

const asText =
  (expected: string, longest: number): Test =>
  (value) => {
    if (typeof value !== 'string') return expected;
    if (!isStorable(value)) return `${expected} ${UNSTORABLE_ENDING}`;
    return value.length > longest ? `${expected} of at most ${longest} characters` : null;
  };
const asId = asText('must be an ID, a text', LONGEST_ID);
const asString = asText('must be a String, a text', LONGEST_TEXT);

/** As graphql-js reads such a value from a client: a number in a text is no Int, and an Int has 32 bits. */
const asInput =
  (scalar: GraphQLScalarType, expected: string): Test =>
  (value) => {
    try {
      scalar.parseValue(value);
      return null;
    } catch (error) {
      if (error instanceof GraphQLError) return expected;
      throw error;
    }
  };

/** A scalar of the graph's own: the value that the log holds has to be one that it prints. */
function asScalar(scalar: GraphQLScalarType): Test {
  const expected = `must be a ${scalar.name}`;
  if (scalar.name === DateTime.name)
    return (value) => {
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? expected : null;
      return typeof value === 'string' ? asInput(scalar, expected)(value) : expected;
    };
  const kind = scalar.name === Duration.name ? 'number' : 'string';
  return (value) => {
    if (typeof value !== kind) return expected;
    try {
      scalar.serialize(value);
      return null;
    } catch (error) {
      if (error instanceof GraphQLError) return expected;
      throw error;
    }
  };
}

function testOf(type: ValueType): Test {
  if ('key' in type) return (value) => asId(keyIn(value));
  if (!isScalarType(type)) {
    const { name, values } = type;
    const words = Object.values(values);
    const known = new Set<unknown>(words);
    return (value) => (known.has(value) ? null : `must be one of ${name}: ${words.join(', ')}`);
  }
  if (SCALARS.has(type.name)) return asScalar(type);
  if (type === GraphQLID) return asId;
  if (type === GraphQLInt) return asInput(type, 'must be an Int, a whole number of 32 bits');
  if (type === GraphQLFloat) return asInput(type, 'must be a Float, a finite number');
  if (type === GraphQLBoolean) return asInput(type, 'must be a Boolean');
  return asString;
}

/** What was found, without saying what it holds. */
function found(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return value === '' ? 'an empty text' : 'a text';
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}

/** Null, or the fault with the place in a list. */
function fieldTest(name: string, { type, list, nullable }: DataField): (value: unknown) => EventFault | null {
  const test = testOf(type);
  const fault = (field: string, expected: string, value: unknown): EventFault => ({
    field,
    problem: `${expected}, found ${found(value)}`,
  });
  const single = (value: unknown, field: string): EventFault | null => {
    const expected = test(value);
    return expected === null ? null : fault(field, expected, value);
  };
  return (value) => {
    if (value === null || value === undefined) {
      if (nullable) return null;
      return fault(name, list ? 'must be a list' : (test(value) ?? 'must be given'), value);
    }
    if (!list) return single(value, name);
    if (!Array.isArray(value)) return fault(name, 'must be a list', value);
    for (let i = 0; i < value.length; i++) {
      const wrong = single(value[i], `${name}[${i}]`);
      if (wrong) return wrong;
    }
    return null;
  };
}

/** By kind: the check of its data, and the names that it declares. */
const COMPILED = new Map(
  EVENT_KINDS.map((kind) => {
    const fields = dataFields(eventType(kind) as NonNullable<ReturnType<typeof eventType>>);
    const tests = Object.entries(fields).map(([name, field]) => [name, fieldTest(name, field)] as const);
    return [kind as string, { tests, names: new Set(Object.keys(fields)) }];
  }),
);
const KEYS = KEY_COLUMNS.map(
  (name) =>
    [name, fieldTest(name, { type: name === 'company' ? USCC : GraphQLID, list: false, nullable: true })] as const,
);

/** The JSON of what the declaration does not name is kept as it is, as long as the database can hold it. */
const ESCAPED = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;
function undeclared(name: string, value: unknown): EventFault | null {
  let json: string | undefined;
  try {
    json = JSON.stringify([name, value]);
  } catch {
    return { field: name, problem: 'must be something that JSON can hold' };
  }
  if (ESCAPED.test(json)) return { field: name, problem: `must be JSON ${UNSTORABLE_ENDING}` };
  if (json.length > LONGEST_TEXT) return { field: name, problem: `must be of at most ${LONGEST_TEXT} characters` };
  return null;
}

/** What is wrong with the event, the first fault of it; null when it fits its type. */
export function eventFault(event: CheckedEvent): EventFault | null {
  const compiled = typeof event.kind === 'string' ? COMPILED.get(event.kind) : undefined;
  if (!compiled) return { field: 'kind', problem: 'is none that this version knows' };
  const { time } = event;
  if (!(time instanceof Date) || Number.isNaN(time.getTime()))
    return { field: 'time', problem: `must be a time, found ${time instanceof Date ? 'an invalid one' : found(time)}` };
  if (time.getTime() < FIRST || time.getTime() > LAST)
    return { field: 'time', problem: 'must lie between the years 1 and 9999' };
  for (const [name, test] of KEYS) {
    const fault = test(event[name]);
    if (fault) return fault;
  }
  const data = event.data ?? {};
  if (typeof data !== 'object' || Array.isArray(data))
    return { field: 'data', problem: `must be an object, found ${found(data)}` };
  const values = data as Readonly<Record<string, unknown>>;
  for (const [name, test] of compiled.tests) {
    const fault = test(values[name]);
    if (fault) return fault;
  }
  for (const name in values) {
    if (compiled.names.has(name)) continue;
    const fault = undeclared(name, values[name]);
    if (fault) return fault;
  }
  return null;
}

/** The same of one that is to be appended, whose key has to fit the log's index. */
export function newEventFault(event: CheckedEvent & { readonly foreignId: unknown }): EventFault | null {
  const { foreignId } = event;
  if (typeof foreignId !== 'string' || foreignId === '' || !isStorable(foreignId))
    return { field: 'foreignId', problem: `must be a text ${UNSTORABLE_ENDING}, found ${found(foreignId)}` };
  if (foreignId.length * 3 > LONGEST_FOREIGN_ID && Buffer.byteLength(foreignId) > LONGEST_FOREIGN_ID)
    return { field: 'foreignId', problem: `must be of at most ${LONGEST_FOREIGN_ID} bytes` };
  return eventFault(event);
}
