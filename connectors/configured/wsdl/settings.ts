import { milliseconds, optionalText, settings, structure, text, url, type Values } from '../../kit/config/settings.ts';
import { readEntities } from '../core/declaration.ts';
import { zone } from '../core/value-formats.ts';
import { headers } from '../openapi/settings.ts';

export const wsdlSettings = settings('wsdl', {
  system: text(
    'Name of the kind of system, as `Provenance.system` shows it; installations of one kind share its graph',
    'meters',
  ),
  wsdl: text('WSDL 1.1 description: a file beside isthmus.yaml, or an address', 'islands/meters.wsdl'),
  url: url('Address that messages are sent to', 'https://meters.example/soap'),
  headers,
  check: optionalText(
    'Operation without arguments that is asked to see whether the system answers; without it, a GET of `url` or an empty message must be answered, if only by a SOAP fault',
    'GetStatus',
  ),
  absent: optionalText(
    'Fault that says that there is nothing of that key: its code, or the name of its detail',
    'MeterNotFound',
  ),
  zone: zone('answers'),
  timeout: milliseconds('How long one call may take', '2s'),
  entities: structure(
    'Types, their keys, operations, fields and links; see docs/connectors.md',
    '{ Meter: { key: no, fetch: { operation: GetMeter, argument: no }, fields: { kWh: kWh } } }',
    readEntities,
  ),
});

export type WsdlSettings = Values<typeof wsdlSettings>;
