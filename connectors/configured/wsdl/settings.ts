import { custom, milliseconds, optionalText, settings, text, url, type Values } from '../../kit/config/settings.ts';
import { readEntities } from '../core/declaration.ts';
import { headersSetting } from '../core/header-setting.ts';
import { zoneSetting } from '../core/value-formats.ts';

export const wsdlSettings = settings('wsdl', {
  system: text('Name of the kind of system, as in `Provenance.system`; its installations share one graph', 'meters'),
  wsdl: text('WSDL 1.1 description: a file next to isthmus.yaml, or a URL', 'islands/meters.wsdl'),
  url: url('URL of the SOAP service', 'https://meters.example/soap'),
  headers: headersSetting,
  check: optionalText(
    'Operation without arguments called as a health check; without it, a GET of `url` or an empty message must return a response, which may be a SOAP fault',
    'GetStatus',
  ),
  absent: optionalText('SOAP fault that means "no such record": its code, or the name of its detail', 'MeterNotFound'),
  zone: zoneSetting('responses'),
  timeout: milliseconds('Timeout of one call', '2s'),
  entities: custom(
    'Types, their keys, operations, fields and links; see docs/connectors.md',
    '{ Meter: { key: no, fetch: { operation: GetMeter, argument: no }, fields: { kWh: kWh } } }',
    readEntities,
  ),
});

export type WsdlSettings = Values<typeof wsdlSettings>;
