import {
  bytes,
  integer,
  milliseconds,
  optionalSecret,
  optionalText,
  settings,
  structure,
  text,
  url,
} from '../kit/config/settings.ts';

/** Rows as they stand in the file, all values as text; what they mean is the mapping's to say. */
function rows(raw: unknown): readonly Readonly<Record<string, string>>[] {
  if (!Array.isArray(raw)) throw new Error('must be a list of meters');
  return raw.map((one: unknown) => {
    if (typeof one !== 'object' || one === null) throw new Error('must be a list of meters, each with its columns');
    return Object.fromEntries(Object.entries(one).map(([column, value]) => [column, String(value ?? '').trim()]));
  });
}

export const energySettings = settings('energy', {
  url: url('A Modbus TCP gateway or an MQTT broker', 'modbus://10.0.0.20:502', ['modbus', 'mqtt']),
  sheet: optionalText('Modbus: file with the commissioning sheet of the meters (CSV)', '/etc/isthmus/meters.csv'),
  meters: structure(
    "Modbus: meters beside the sheet's or in its place, with the same columns",
    '[{ unit_id: 1, map: sunspec, serial: E-4711, medium: ELECTRICITY, building: B01 }]',
    rows,
    [],
  ),
  pause: integer('Modbus: pause between two requests, in milliseconds; most gateways take one at a time', 10, 0, 5_000),
  poll: milliseconds('Modbus: pause between two rounds over all meters', '15s'),
  timeout: milliseconds('How long one call may take', '1s'),
  prefix: text('MQTT: first part of the topics <prefix>/<gateway>/<serial>/telemetry', 'park', 'park'),
  clientId: optionalText(
    "MQTT: client id of the kept session; the installation's id when absent",
    'lakeside-telemetry',
  ),
  username: optionalText('MQTT: user name', 'isthmus'),
  password: optionalSecret('MQTT: password'),
  history: milliseconds('MQTT: how far back gateways are asked to resend at first', '1d'),
  largest: bytes('MQTT: a message with more bytes is not read, but kept whole as a refused payload', '8MB', 1_000),
  refusedFor: milliseconds('MQTT: how long payloads that could not be understood are kept', '90d'),
  refusedBytes: bytes(
    'MQTT: how many bytes of such payloads are kept; beyond it the oldest go, and the source is DEGRADED and says so',
    '1GB',
    1_000,
  ),
  announce: milliseconds('Readings older than this when they arrive are kept, but are no live events', '15m'),
  fresh: milliseconds('Readings are stale when nothing has come for this long', '2m'),
});
