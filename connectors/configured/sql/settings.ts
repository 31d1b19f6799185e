import { custom, milliseconds, secretUrl, settings, text, type Values } from '../../kit/config/settings.ts';
import { readEntities } from '../core/declaration.ts';
import { matchByArgument } from '../core/tabular-source.ts';
import { zoneSetting } from '../core/value-formats.ts';

/** Supported URL schemes. */
export const URL_SCHEMES = ['postgres', 'postgresql', 'mysql', 'mariadb'] as const;

export const sqlSettings = settings('sql', {
  system: text('Name of the kind of system, as in `Provenance.system`; its installations share one graph', 'assets'),
  database: secretUrl('URL of the database, with a read-only account', '"${ASSETS_DB}"', URL_SCHEMES),
  zone: zoneSetting('tables'),
  timeout: milliseconds('Timeout of one query', '3s'),
  entities: custom(
    'Types, their keys, columns and links; an operation is a table or view; see docs/connectors.md',
    '{ Asset: { fields: { name: name }, on: { Building.assets: { operation: asset, argument: site } } } }',
    (raw) => matchByArgument(readEntities(raw)),
  ),
});

export type SqlSettings = Values<typeof sqlSettings>;
