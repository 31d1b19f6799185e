import { integer, milliseconds, settings, structure, text, type Values } from '../../kit/config/settings.ts';
import { readEntities } from '../core/declaration.ts';
import { tabular } from '../core/tabular-source.ts';
import { zone } from '../core/value-formats.ts';

/** What the reader itself knows of a row stands beside the columns. */
const MODIFIED = '$modified';

export const fileSettings = settings('files', {
  system: text(
    'Name of the kind of system, as `Provenance.system` shows it; installations of one kind share its graph',
    'leases',
  ),
  folder: text('Folder in which the files are dropped, beside isthmus.yaml', 'drops/leases'),
  zone: zone('files'),
  refuse: integer('Of 100 rows, how many may be refused before the whole file is', 10, 0, 100),
  timeout: milliseconds('How long reading a file may take', '10s'),
  entities: structure(
    'Types, their keys, columns and links; an operation is the name of a file, `*` for the newest of several; see docs/connectors.md',
    '{ Lease: { fields: { rent: Rent }, on: { Building.leases: { operation: leases.csv, argument: Unit } } } }',
    // Without a time of its own a row was recorded when its file was.
    (raw) => tabular(readEntities(raw)).map((one) => ({ ...one, recordedAt: one.recordedAt ?? MODIFIED })),
  ),
});

export type FileSettings = Values<typeof fileSettings>;
