/** Checks that an event matches the GraphQL type of its kind, before it is appended and when it is read from the log. */
import {
  GraphQLBoolean,
  GraphQLError,
  GraphQLFloat,
  GraphQLID,
  GraphQLInt,
  type GraphQLScalarType,
  isScalarType,
} from 'graphql';
import { DateTime, Duration, MAX_ID_LENGTH, SCALARS, USCC } from '../../../schema/graph/scalars.ts';
import {
  type DataField,
  dataFields,
  EVENT_KINDS,
  entityId,
  eventType,
  KEY_COLUMNS,
  type ValueType,
} from './event-types.ts';

/** Characters. Events carry keys, not records; one delivery contains up to a hundred events. */
const MAX_TEXT_LENGTH = 65_536;
/** PostgreSQL indexes up to 2,704 bytes. */
const MAX_FOREIGN_ID_BYTES = 2_000;
const MIN_TIME = Date.parse('0001-01-01T00:00:00Z');
const MAX_TIME = Date.parse('9999-12-31T23:59:59.999Z');

/** The first invalid field of an event. `problem` continues the sentence after the field, such as `must be an Int, found a string`; never with values of the event. */
export interface EventProblem {
  readonly field: string;
  readonly problem: string;
}

/** Part of the problem of a string that PostgreSQL cannot store in any column. */
const STORABLE = 'without NUL or lone surrogates';
/** Whether the event cannot be stored in the database at all. */
export const isUnstorable = ({ problem }: EventProblem): boolean => problem.includes(STORABLE);

/** The checked part of a new or stored event. */
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

/** Returns null for a valid value, otherwise what is expected. */
type ValueCheck = (value: unknown) => string | null;

/** PostgreSQL stores neither NUL nor lone surrogates. */
const UNSTORABLE = /[\0\p{Surrogate}]/u;
const isStorable = (text: string): boolean => !UNSTORABLE.test(text);

const textCheck =
  (expected: string, longest: number): ValueCheck =>
  (value) => {
    if (typeof value !== 'string') return expected;
    if (!isStorable(value)) return `${expected} ${STORABLE}`;
    return value.length > longest ? `${expected} of at most ${longest} characters` : null;
  };
const idCheck = textCheck('must be an ID, a string', MAX_ID_LENGTH);
const stringCheck = textCheck('must be a String', MAX_TEXT_LENGTH);

/** As graphql-js reads a variable: a numeric string is not an Int, and an Int has 32 bits. */
const inputCheck =
  (scalar: GraphQLScalarType, expected: string): ValueCheck =>
  (value) => {
    try {
      scalar.parseValue(value);
      return null;
    } catch (error) {
      if (error instanceof GraphQLError) return expected;
      throw error;
    }
  };

/** For a scalar of our own: the stored value must be serializable. */
function scalarCheck(scalar: GraphQLScalarType): ValueCheck {
  const expected = `must be a ${scalar.name}`;
  if (scalar.name === DateTime.name)
    return (value) => {
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? expected : null;
      return typeof value === 'string' ? inputCheck(scalar, expected)(value) : expected;
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

function checkOf(type: ValueType): ValueCheck {
  if ('key' in type) return (value) => idCheck(entityId(value));
  if (!isScalarType(type)) {
    const { name, values } = type;
    const words = Object.values(values);
    const known = new Set<unknown>(words);
    return (value) => (known.has(value) ? null : `must be one of ${name}: ${words.join(', ')}`);
  }
  if (SCALARS.has(type.name)) return scalarCheck(type);
  if (type === GraphQLID) return idCheck;
  if (type === GraphQLInt) return inputCheck(type, 'must be an Int, a 32-bit integer');
  if (type === GraphQLFloat) return inputCheck(type, 'must be a Float, a finite number');
  if (type === GraphQLBoolean) return inputCheck(type, 'must be a Boolean');
  return stringCheck;
}

/** The type of a value, for messages that must not contain the value. */
function describeType(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return value === '' ? 'an empty string' : 'a string';
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}

/** The check of one field; the problem names the index in a list. */
function fieldCheck(name: string, { type, list, nullable }: DataField): (value: unknown) => EventProblem | null {
  const check = checkOf(type);
  const toProblem = (field: string, expected: string | null, value: unknown): EventProblem | null =>
    expected === null ? null : { field, problem: `${expected}, found ${describeType(value)}` };
  return (value) => {
    if (value === null || value === undefined) {
      return nullable ? null : toProblem(name, list ? 'must be a list' : (check(value) ?? 'is required'), value);
    }
    if (!list) return toProblem(name, check(value), value);
    if (!Array.isArray(value)) return toProblem(name, 'must be a list', value);
    for (let i = 0; i < value.length; i++) {
      const problem = toProblem(`${name}[${i}]`, check(value[i]), value[i]);
      if (problem) return problem;
    }
    return null;
  };
}

/** By kind: the checks of its data fields, and their names. */
const CHECKS = new Map(
  EVENT_KINDS.map((kind) => {
    const fields = dataFields(eventType(kind) as NonNullable<ReturnType<typeof eventType>>);
    const tests = Object.entries(fields).map(([name, field]) => [name, fieldCheck(name, field)] as const);
    return [kind as string, { tests, names: new Set(Object.keys(fields)) }];
  }),
);
const KEY_CHECKS = KEY_COLUMNS.map(
  (name) =>
    [name, fieldCheck(name, { type: name === 'company' ? USCC : GraphQLID, list: false, nullable: true })] as const,
);

/** Undeclared fields are stored as they are if the database can hold their JSON. */
const ESCAPED = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;
function findUndeclaredProblem(name: string, value: unknown): EventProblem | null {
  let json: string | undefined;
  try {
    json = JSON.stringify([name, value]);
  } catch {
    return { field: name, problem: 'must be serializable as JSON' };
  }
  if (ESCAPED.test(json)) return { field: name, problem: `must be JSON ${STORABLE}` };
  if (json.length > MAX_TEXT_LENGTH)
    return { field: name, problem: `must be of at most ${MAX_TEXT_LENGTH} characters` };
  return null;
}

/** The first problem of an event; null if it matches its type. */
export function findEventProblem(event: CheckedEvent): EventProblem | null {
  const compiled = typeof event.kind === 'string' ? CHECKS.get(event.kind) : undefined;
  if (!compiled) return { field: 'kind', problem: 'is unknown to this version' };
  const { time } = event;
  if (!(time instanceof Date) || Number.isNaN(time.getTime()))
    return {
      field: 'time',
      problem: `must be a time, found ${time instanceof Date ? 'an invalid date' : describeType(time)}`,
    };
  if (time.getTime() < MIN_TIME || time.getTime() > MAX_TIME)
    return { field: 'time', problem: 'must be between the years 1 and 9999' };
  for (const [name, test] of KEY_CHECKS) {
    const problem = test(event[name]);
    if (problem) return problem;
  }
  const data = event.data ?? {};
  if (typeof data !== 'object' || Array.isArray(data))
    return { field: 'data', problem: `must be an object, found ${describeType(data)}` };
  const values = data as Readonly<Record<string, unknown>>;
  for (const [name, test] of compiled.tests) {
    const problem = test(values[name]);
    if (problem) return problem;
  }
  for (const name in values) {
    if (compiled.names.has(name)) continue;
    const problem = findUndeclaredProblem(name, values[name]);
    if (problem) return problem;
  }
  return null;
}

/** The first problem of a new event, whose foreign id must fit into the index of the log. */
export function findNewEventProblem(event: CheckedEvent & { readonly foreignId: unknown }): EventProblem | null {
  const { foreignId } = event;
  if (typeof foreignId !== 'string' || foreignId === '' || !isStorable(foreignId))
    return { field: 'foreignId', problem: `must be a non-empty string ${STORABLE}, found ${describeType(foreignId)}` };
  if (foreignId.length * 3 > MAX_FOREIGN_ID_BYTES && Buffer.byteLength(foreignId) > MAX_FOREIGN_ID_BYTES)
    return { field: 'foreignId', problem: `must be of at most ${MAX_FOREIGN_ID_BYTES} bytes` };
  return findEventProblem(event);
}
