import { custom, integer, milliseconds, settings, text, type Values } from '../../kit/config/settings.ts';
import { readEntities } from '../core/declaration.ts';
import { matchByArgument } from '../core/tabular-source.ts';
import { zoneSetting } from '../core/value-formats.ts';

/** Column that `FileMirror` adds: when the file was modified. */
const MODIFIED = '$modified';

export const fileSettings = settings('files', {
  system: text('Name of the kind of system, as in `Provenance.system`; its installations share one graph', 'leases'),
  folder: text('Folder of the files, relative to isthmus.yaml', 'drops/leases'),
  zone: zoneSetting('files'),
  refuse: integer('Maximum percentage of rejected rows; above it the whole file is rejected', 10, 0, 100),
  timeout: milliseconds('Timeout for reading a file', '10s'),
  entities: custom(
    'Types, their keys, columns and links; an operation is the name of a file, `*` for the newest of several; see docs/connectors.md',
    '{ Lease: { fields: { rent: Rent }, on: { Building.leases: { operation: leases.csv, argument: Unit } } } }',
    // A row without a time was recorded when its file was modified.
    (raw) =>
      matchByArgument(readEntities(raw)).map((entity) => ({ ...entity, recordedAt: entity.recordedAt ?? MODIFIED })),
  ),
});

export type FileSettings = Values<typeof fileSettings>;
