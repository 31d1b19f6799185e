import {
  milliseconds,
  optionalText,
  type Setting,
  settings,
  structure,
  text,
  url,
  type Values,
} from '../../kit/config/settings.ts';
import { strikeOut } from '../../kit/log.ts';
import { readEntities } from '../core/declaration.ts';

/** Headers with secrets in them: struck out of every log line. */
export const headers: Setting<Readonly<Record<string, string>>> = {
  ...structure(
    'Headers of every call, such as an API key',
    '{ x-api-key: "${NAME}" }',
    (raw) => {
      if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
        throw new Error('must be a mapping of headers');
      const given = Object.fromEntries(Object.entries(raw).map(([name, value]) => [name.toLowerCase(), String(value)]));
      for (const value of Object.values(given)) if (value.length >= 6) strikeOut(value);
      return given;
    },
    {},
  ),
  secret: true,
};

export const meshSettings = settings('mesh', {
  system: text(
    'Name of the kind of system, as `Provenance.system` shows it; installations of one kind share its graph',
    'environment',
  ),
  openapi: text('OpenAPI description: a file beside isthmus.yaml, or an address', 'islands/environment.openapi.json'),
  url: url('Base address of the API, where the description names none or another', 'https://sensors.example/api'),
  headers,
  check: optionalText(
    'Operation that is asked to see whether the system answers; without it, a GET of `url` must be answered with a status below 500',
    'getStatus',
  ),
  timeout: milliseconds('How long one call may take', '2s'),
  entities: structure(
    'Types, their keys, operations, fields and links; see docs/connectors.md',
    '{ Air: { fields: { pm25: pm25 }, on: { Building.air: { operation: latest, argument: site } } } }',
    readEntities,
  ),
});

export type MeshSettings = Values<typeof meshSettings>;
