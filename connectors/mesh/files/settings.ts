import { integer, milliseconds, type Setting, settings, structure, text, type Values } from '../../kit/settings.ts';
import { readEntities } from '../declaration.ts';
import { tabular } from '../tables.ts';

/** What the reader itself knows of a row stands beside the columns. */
const MODIFIED = '$modified';

const offset: Setting<string> = {
  ...text('Offset of times that the files write without one', '+08:00', '+08:00'),
  read: (raw) => {
    if (typeof raw !== 'string' || !/^(Z|[+-]\d{2}:\d{2})$/.test(raw))
      throw new Error('must be an offset such as +08:00');
    return raw;
  },
};

export const fileSettings = settings('files', {
  system: text(
    'Name of the kind of system, as `Provenance.system` shows it; installations of one kind share its graph',
    'leases',
  ),
  folder: text('Folder in which the files are dropped, beside isthmus.yaml', 'drops/leases'),
  zone: offset,
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
