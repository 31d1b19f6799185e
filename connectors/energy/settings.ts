import { integer, milliseconds, optionalSecret, optionalText, settings, text, url } from '../kit/settings.ts';

export const energySettings = settings('energy', {
  url: url('A Modbus TCP gateway or an MQTT broker', 'modbus://10.0.0.20:502', ['modbus', 'mqtt']),
  sheet: optionalText('Modbus: file with the commissioning sheet of the meters (CSV)', '/etc/isthmus/meters.csv'),
  pause: integer(
    'Modbus: pause between two requests, in milliseconds; most gateways take one at a time',
    10,
    0,
    10_000,
  ),
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
  announce: milliseconds('Readings older than this when they arrive are kept, but are no live events', '15m'),
  fresh: milliseconds('Readings are stale when nothing has come for this long', '2m'),
});
