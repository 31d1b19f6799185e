import { expect, test } from 'vitest';
import type { NewEvent } from '../services.ts';
import { findEventProblem, findNewEventProblem } from './event-check.ts';
import { EVENT_KINDS } from './event-types.ts';

const time = new Date('2026-03-01T08:00:00Z');
/** Valid data for every kind. */
const VALID: Readonly<Record<string, Record<string, unknown>>> = {
  ACCESS_DENIED: { reason: null },
  DOOR_STATE_CHANGED: { state: 'OPEN' },
  OCCUPANCY_CHANGED: { occupied: 2 ** 31 - 1 },
  METER_READING_TAKEN: { value: '12.50', unit: 'kWh' },
  METER_ALARM: { alarm: 'cover opened' },
  REGISTRATION_CHANGED: { fields: ['address'] },
  TAX_FILE_RECEIVED: { name: 'invoices.csv', rows: 3, refused: 0 },
  SOURCE_STATE_CHANGED: { from: 'UP', to: 'DOWN', reason: 'is down' },
  CASE_CHANGED: { state: 'SENT', kind: 'REGISTRATION', receipt: 'R1', reason: null },
  RECORD_CHANGED: { change: 'NEW', type: 'WorkOrder', record: 'lakeside-orders:7' },
};
const problemOf = (kind: string, data: Record<string, unknown>, more = {}) =>
  findEventProblem({ kind, time, data: { ...VALID[kind], ...data }, ...more });

test.each(EVENT_KINDS)('event check: accepts %s with its declared and with additional fields', (kind) => {
  expect(problemOf(kind, {})).toBeNull();
  expect(problemOf(kind, { said: 'something more' })).toBeNull();
});

test.each(['lakeside-b01', { id: 'lakeside-b01' }, null])(
  'accepts an id, or an object with the id, as key of an entity: %o',
  (building) => {
    expect(problemOf('RECORD_CHANGED', { building })).toBeNull();
  },
);

test.each([
  ['OCCUPANCY_CHANGED', { occupied: 'many' }, 'occupied', 'must be an Int, a 32-bit integer, found a string'],
  ['OCCUPANCY_CHANGED', { occupied: '5' }, 'occupied', 'found a string'],
  ['OCCUPANCY_CHANGED', { occupied: undefined }, 'occupied', 'found nothing'],
  ['OCCUPANCY_CHANGED', { occupied: null }, 'occupied', 'found null'],
  ['OCCUPANCY_CHANGED', { occupied: 2 ** 31 }, 'occupied', 'found a number'],
  ['OCCUPANCY_CHANGED', { occupied: 1.5 }, 'occupied', 'found a number'],
  ['OCCUPANCY_CHANGED', { occupied: true }, 'occupied', 'found a boolean'],
  ['DOOR_STATE_CHANGED', { state: 'AJAR' }, 'state', 'must be one of DoorState: CLOSED, OPEN'],
  ['DOOR_STATE_CHANGED', { state: 'toString' }, 'state', 'must be one of DoorState'],
  ['METER_READING_TAKEN', { value: '1e5' }, 'value', 'must be a Decimal'],
  ['METER_READING_TAKEN', { value: 12.5 }, 'value', 'must be a Decimal, found a number'],
  ['METER_READING_TAKEN', { value: 12n }, 'value', 'found a bigint'],
  ['METER_READING_TAKEN', { unit: null }, 'unit', 'must be a String'],
  ['METER_ALARM', { alarm: 'a\0b' }, 'alarm', 'without NUL'],
  ['METER_ALARM', { alarm: '\ud800' }, 'alarm', 'lone surrogates'],
  ['METER_ALARM', { alarm: 'x'.repeat(70_000) }, 'alarm', 'at most 65536 characters'],
  ['METER_ALARM', { said: { deep: ['a\0b'] } }, 'said', 'NUL'],
  ['REGISTRATION_CHANGED', { fields: 'address' }, 'fields', 'must be a list, found a string'],
  ['REGISTRATION_CHANGED', { fields: ['address', null] }, 'fields[1]', 'found null'],
  ['REGISTRATION_CHANGED', { fields: null }, 'fields', 'must be a list, found null'],
  ['RECORD_CHANGED', { record: 7 }, 'record', 'must be an ID'],
  ['RECORD_CHANGED', { record: undefined }, 'record', 'found nothing'],
  ['RECORD_CHANGED', { building: 7 }, 'building', 'must be an ID'],
  ['RECORD_CHANGED', { building: { id: 7 } }, 'building', 'must be an ID'],
  ['CASE_CHANGED', { kind: 'OTHER' }, 'kind', 'must be one of CaseKind'],
])('event check: rejects %s with %o at %s', (kind, data, field, problem) => {
  expect(problemOf(kind, data)).toMatchObject({ field, problem: expect.stringContaining(problem) });
});

test('event check: rejects invalid keys, times and kinds, without the value in the message', () => {
  const entered = (more: object) => findEventProblem({ kind: 'VEHICLE_ENTERED', time, ...more });
  expect(entered({ company: '91500112MA5U0H4T21', vehicle: 'v', lot: null })).toBeNull();
  expect(entered({ company: '9150' })).toEqual({ field: 'company', problem: 'must be a USCC, found a string' });
  expect(entered({ vehicle: 7 })?.field).toBe('vehicle');
  expect(entered({ lot: 'x'.repeat(513) })?.field).toBe('lot');
  expect(entered({ time: new Date(Number.NaN) })?.field).toBe('time');
  expect(entered({ time: '2026-03-01' })?.field).toBe('time');
  expect(entered({ time: new Date('+010000-01-01T00:00:00Z') })?.field).toBe('time');
  expect(entered({ time: new Date('-000001-01-01T00:00:00Z') })?.field).toBe('time');
  expect(entered({ data: [] })?.field).toBe('data');
  expect(entered({ kind: 'NOBODY_KNOWS' })?.field).toBe('kind');
  expect(entered({ kind: 'constructor' })?.field).toBe('kind');
  const named = (foreignId: unknown) => findNewEventProblem({ kind: 'VEHICLE_ENTERED', time, foreignId })?.field;
  expect(named('one')).toBeUndefined();
  expect([named(''), named(7), named('a\0'), named('字'.repeat(667))]).toEqual(Array(4).fill('foreignId'));
});

test('event check: the compiler rejects an event without declared data, of an unknown kind, or with a value of another type', () => {
  const valid: NewEvent[] = [
    { foreignId: 'e', time, kind: 'ACCESS_GRANTED', door: 'd' },
    { foreignId: 'e', time, kind: 'ACCESS_DENIED', data: { reason: null } },
    { foreignId: 'e', time, kind: 'METER_READING_TAKEN', data: { value: '1', unit: 'kWh', undeclared: true } },
  ];
  const invalid: NewEvent[] = [
    // @ts-expect-error The change is NEW, CHANGED or GONE.
    { foreignId: 'e', time, kind: 'RECORD_CHANGED', data: { change: 'ADDED', type: 'WorkOrder', record: 'o:7' } },
    // @ts-expect-error A Decimal is a string.
    { foreignId: 'e', time, kind: 'METER_READING_TAKEN', data: { value: 1, unit: 'kWh' } },
    // @ts-expect-error `fields` is a list.
    { foreignId: 'e', time, kind: 'REGISTRATION_CHANGED', data: { fields: 'address' } },
    // @ts-expect-error `occupied` is required.
    { foreignId: 'e', time, kind: 'OCCUPANCY_CHANGED' },
    // @ts-expect-error Nobody declares the kind.
    { foreignId: 'e', time, kind: 'NOBODY_KNOWS' },
  ];
  expect(valid.map(findNewEventProblem)).toEqual([null, null, null]);
  for (const event of invalid) expect(findNewEventProblem(event)).not.toBeNull();
});
