import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { rejected, unavailable } from '../../kit/errors.ts';
import { asksOf, familyOf } from '../core/connector-family.ts';
import type { TypedEntity } from '../core/mapping.ts';
import type { Operation, Reader } from '../core/source-description.ts';
import { askedColumns, tableOperations } from '../core/tabular-source.ts';
import { Mirror } from './file-mirror.ts';
import { type FileSettings, fileSettings } from './settings.ts';

interface Folder {
  readonly operations: ReadonlyMap<string, Operation>;
  /** Absolute. */
  readonly path: string;
}

/** Files that are dropped into a folder (CSV, XLSX, JSON), by configuration alone. */
export default familyOf<FileSettings, Folder>({
  name: 'files',
  settings: fileSettings,
  protocol: () => 'file',
  place: (settings) => settings.folder,
  describe: async (settings, folder) => ({
    operations: tableOperations(settings.entities),
    path: resolve(folder, settings.folder),
  }),
  reader: ({ operations, path }, settings, services, entities): Reader => {
    const mirrors = new Map(
      [...operations.keys()].map((pattern) => [
        pattern,
        new Mirror({
          folder: path,
          pattern,
          entities: entities.filter((entity) => asks(entity, pattern)),
          asked: askedColumns(settings.entities, pattern),
          zone: settings.zone,
          refuse: settings.refuse,
          reports: true,
          log: services.log,
        }),
      ]),
    );
    const all = [...mirrors.values()];
    return {
      operations,
      ask: async ({ operation, given }) => {
        const mirror = mirrors.get(operation);
        if (!mirror) throw rejected(`there is no file ${operation}`);
        const [by, ...filters] = Object.entries(given);
        if (!by) return mirror.rows();
        const rows = await mirror.rowsBy(by[0], listOf(by[1]));
        return rows.filter((one) => filters.every(([name, value]) => listOf(value).includes(String(one[name] ?? ''))));
      },
      check: async () => {
        await readdir(path).catch((error: unknown) => {
          throw unavailable(`the folder ${settings.folder} cannot be read`, error);
        });
        for (const one of all) await one.rows();
      },
      complaint: () => all.flatMap((one) => one.complaint ?? []).join('; ') || null,
      version: (operation) => mirrors.get(operation)?.version ?? null,
      close: async () => undefined,
    };
  },
});

const asks = (entity: TypedEntity, pattern: string): boolean => asksOf(entity).some((ask) => ask.operation === pattern);

const listOf = (value: unknown): string[] => (Array.isArray(value) ? value : [value]).map(String);
