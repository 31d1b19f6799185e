import { expect, test } from 'vitest';
import { eventFault, newEventFault } from './event-check.ts';
import { EVENT_KINDS } from './event-types.ts';

const time = new Date('2026-03-01T08:00:00Z');
/** Data that fits, for every kind. */
const FITTING: Readonly<Record<string, Record<string, unknown>>> = {
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
const fault = (kind: string, data: Record<string, unknown>, more = {}) =>
  eventFault({ kind, time, data: { ...FITTING[kind], ...data }, ...more });

test.each(EVENT_KINDS)('%s with what it declares fits', (kind) => {
  expect(fault(kind, {})).toBeNull();
  expect(fault(kind, { said: 'something more' })).toBeNull();
});

test.each(['lakeside-b01', { id: 'lakeside-b01' }, null])(
  'the key of an entity is its id or the object that has it: %o',
  (building) => {
    expect(fault('RECORD_CHANGED', { building })).toBeNull();
  },
);

test.each([
  ['OCCUPANCY_CHANGED', { occupied: 'many' }, 'occupied', 'must be an Int, a whole number of 32 bits, found a text'],
  ['OCCUPANCY_CHANGED', { occupied: '5' }, 'occupied', 'found a text'],
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
  ['METER_ALARM', { alarm: '\ud800' }, 'alarm', 'half a surrogate pair'],
  ['METER_ALARM', { alarm: 'x'.repeat(70_000) }, 'alarm', 'at most 65536 characters'],
  ['METER_ALARM', { said: { deep: ['a\0b'] } }, 'said', 'NUL'],
  ['REGISTRATION_CHANGED', { fields: 'address' }, 'fields', 'must be a list, found a text'],
  ['REGISTRATION_CHANGED', { fields: ['address', null] }, 'fields[1]', 'found null'],
  ['REGISTRATION_CHANGED', { fields: null }, 'fields', 'must be a list, found null'],
  ['RECORD_CHANGED', { record: 7 }, 'record', 'must be an ID'],
  ['RECORD_CHANGED', { record: undefined }, 'record', 'found nothing'],
  ['RECORD_CHANGED', { building: 7 }, 'building', 'must be an ID'],
  ['RECORD_CHANGED', { building: { id: 7 } }, 'building', 'must be an ID'],
  ['CASE_CHANGED', { kind: 'OTHER' }, 'kind', 'must be one of CaseKind'],
])('%s with %o: %s', (kind, data, field, problem) => {
  expect(fault(kind, data)).toMatchObject({ field, problem: expect.stringContaining(problem) });
});

test('keys, times and kinds are checked as well; what is found is named by its type, never by its value', () => {
  const entered = (more: object) => eventFault({ kind: 'VEHICLE_ENTERED', time, ...more });
  expect(entered({ company: '91500112MA5U0H4T21', vehicle: 'v', lot: null })).toBeNull();
  expect(entered({ company: '9150' })).toEqual({ field: 'company', problem: 'must be a USCC, found a text' });
  expect(entered({ vehicle: 7 })?.field).toBe('vehicle');
  expect(entered({ lot: 'x'.repeat(513) })?.field).toBe('lot');
  expect(entered({ time: new Date(Number.NaN) })?.field).toBe('time');
  expect(entered({ time: '2026-03-01' })?.field).toBe('time');
  expect(entered({ time: new Date('+010000-01-01T00:00:00Z') })?.field).toBe('time');
  expect(entered({ time: new Date('-000001-01-01T00:00:00Z') })?.field).toBe('time');
  expect(entered({ data: [] })?.field).toBe('data');
  expect(entered({ kind: 'NOBODY_KNOWS' })?.field).toBe('kind');
  expect(entered({ kind: 'constructor' })?.field).toBe('kind');
  const named = (foreignId: unknown) => newEventFault({ kind: 'VEHICLE_ENTERED', time, foreignId })?.field;
  expect(named('one')).toBeUndefined();
  expect([named(''), named(7), named('a\0'), named('字'.repeat(667))]).toEqual(Array(4).fill('foreignId'));
});
