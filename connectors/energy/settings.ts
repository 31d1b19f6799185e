import {
  bytes,
  custom,
  integer,
  milliseconds,
  optionalSecret,
  optionalText,
  settings,
  text,
  url,
  type Values,
} from '../kit/config/settings.ts';

/** Rows with all values as text, as in the CSV file; the mapping interprets them. */
function meterRows(raw: unknown): readonly Readonly<Record<string, string>>[] {
  if (!Array.isArray(raw)) throw new Error('must be a list of meters');
  return raw.map((row: unknown) => {
    if (typeof row !== 'object' || row === null) throw new Error('must be a list of meters, each a mapping of columns');
    return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, String(value ?? '').trim()]));
  });
}

export const energySettings = settings('energy', {
  url: url('URL of a Modbus TCP gateway or an MQTT broker', 'modbus://10.0.0.20:502', ['modbus', 'mqtt']),
  sheet: optionalText('Modbus: CSV file with the commissioning sheet of the meters', '/etc/isthmus/meters.csv'),
  meters: custom(
    'Modbus: meters in addition to or instead of the sheet, with the same columns',
    '[{ unit_id: 1, map: sunspec, serial: E-4711, medium: ELECTRICITY, building: B01 }]',
    meterRows,
    [],
  ),
  pause: integer(
    'Modbus: pause between two requests, in milliseconds; most gateways handle one at a time',
    10,
    0,
    5_000,
  ),
  poll: milliseconds('Modbus: pause between two polls of all meters', '15s'),
  timeout: milliseconds('Timeout of one call', '1s'),
  prefix: text('MQTT: first part of the topics <prefix>/<gateway>/<serial>/telemetry', 'park', 'park'),
  clientId: optionalText(
    "MQTT: client id of the persistent session; defaults to the installation's id",
    'lakeside-telemetry',
  ),
  username: optionalText('MQTT: user name', 'isthmus'),
  password: optionalSecret('MQTT: password'),
  history: milliseconds('MQTT: how far back gateways are asked to resend at the first connection', '1d'),
  largest: bytes(
    'MQTT: maximum message size; a larger message is stored as a rejected payload without parsing',
    '8MB',
    1_000,
  ),
  refusedFor: milliseconds('MQTT: how long rejected payloads are stored', '90d'),
  refusedBytes: bytes(
    'MQTT: maximum size of all rejected payloads; beyond it the oldest are deleted and the source is DEGRADED',
    '1GB',
    1_000,
  ),
  announce: milliseconds('Readings older than this on arrival are stored without a live event', '15m'),
  fresh: milliseconds('Readings are stale when nothing was received for this long', '2m'),
});

export type EnergySettings = Values<typeof energySettings>;
