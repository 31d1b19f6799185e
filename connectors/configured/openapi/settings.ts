import { custom, milliseconds, optionalText, settings, text, url, type Values } from '../../kit/config/settings.ts';
import { readEntities } from '../core/declaration.ts';
import { headersSetting } from '../core/header-setting.ts';

export const openApiSettings = settings('mesh', {
  system: text(
    'Name of the kind of system, as in `Provenance.system`; its installations share one graph',
    'environment',
  ),
  openapi: text('OpenAPI description: a file next to isthmus.yaml, or a URL', 'islands/environment.openapi.json'),
  url: url('Base URL of the API', 'https://sensors.example/api'),
  headers: headersSetting,
  check: optionalText(
    'Operation called as a health check; without it, a GET of `url` must return a status below 500',
    'getStatus',
  ),
  timeout: milliseconds('Timeout of one call', '2s'),
  entities: custom(
    'Types, their keys, operations, fields and links; see docs/connectors.md',
    '{ Air: { fields: { pm25: pm25 }, on: { Building.air: { operation: latest, argument: site } } } }',
    readEntities,
  ),
});

export type OpenApiSettings = Values<typeof openApiSettings>;
