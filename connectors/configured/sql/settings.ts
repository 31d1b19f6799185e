import { milliseconds, secretUrl, settings, structure, text, type Values } from '../../kit/config/settings.ts';
import { readEntities } from '../core/declaration.ts';
import { tabular } from '../core/tabular-source.ts';
import { zone } from '../core/value-formats.ts';

/** Addresses that are understood. */
export const SCHEMES = ['postgres', 'postgresql', 'mysql', 'mariadb'] as const;

export const sqlSettings = settings('sql', {
  system: text(
    'Name of the kind of system, as `Provenance.system` shows it; installations of one kind share its graph',
    'assets',
  ),
  database: secretUrl('Address of the database, with an account that may only read', '"${ASSETS_DB}"', SCHEMES),
  zone: zone('tables'),
  timeout: milliseconds('How long one question may take', '3s'),
  entities: structure(
    'Types, their keys, columns and links; an operation is a table or view; see docs/connectors.md',
    '{ Asset: { fields: { name: name }, on: { Building.assets: { operation: asset, argument: site } } } }',
    (raw) => tabular(readEntities(raw)),
  ),
});

export type SqlSettings = Values<typeof sqlSettings>;
