import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { rejected, unavailable } from '../../kit/errors.ts';
import { createFamily, queriesOf } from '../core/connector-family.ts';
import type { TypedEntity } from '../core/mapping.ts';
import type { Operation, Reader } from '../core/source-description.ts';
import { queriedColumns, tableOperations } from '../core/tabular-source.ts';
import { FileMirror } from './file-mirror.ts';
import { type FileSettings, fileSettings } from './settings.ts';

interface Folder {
  readonly operations: ReadonlyMap<string, Operation>;
  /** Absolute path. */
  readonly path: string;
}

/** Family of connectors for CSV, XLSX and JSON files in a folder. */
export default createFamily<FileSettings, Folder>({
  name: 'files',
  settings: fileSettings,
  protocol: () => 'file',
  descriptionKey: (settings) => settings.folder,
  readDescription: async (settings, folder) => ({
    operations: tableOperations(settings.entities),
    path: resolve(folder, settings.folder),
  }),
  createReader: ({ operations, path }, settings, services, entities): Reader => {
    const mirrors = new Map(
      [...operations.keys()].map((pattern) => [
        pattern,
        new FileMirror({
          folder: path,
          pattern,
          entities: entities.filter((entity) => queries(entity, pattern)),
          queriedColumns: queriedColumns(settings.entities, pattern),
          zone: settings.zone,
          maxRejectedPercent: settings.refuse,
          writeReports: true,
          log: services.log,
        }),
      ]),
    );
    const all = [...mirrors.values()];
    return {
      operations,
      call: async ({ operation, args }) => {
        const mirror = mirrors.get(operation);
        if (!mirror) throw rejected(`there is no file ${operation}`);
        const [first, ...filters] = Object.entries(args);
        if (!first) return mirror.rows();
        const rows = await mirror.rowsBy(first[0], listOf(first[1]));
        return rows.filter((row) =>
          filters.every(([column, value]) => listOf(value).includes(String(row[column] ?? ''))),
        );
      },
      check: async () => {
        await readdir(path).catch((error: unknown) => {
          throw unavailable(`the folder ${settings.folder} cannot be read`, error);
        });
        for (const mirror of all) await mirror.rows();
      },
      deliveryProblem: () => all.flatMap((mirror) => mirror.deliveryProblem ?? []).join('; ') || null,
      version: (operation) => mirrors.get(operation)?.version ?? null,
      close: async () => undefined,
    };
  },
});

/** Whether a query of the entity uses that file. */
const queries = (entity: TypedEntity, pattern: string): boolean =>
  queriesOf(entity).some((query) => query.operation === pattern);

const listOf = (value: unknown): string[] => (Array.isArray(value) ? value : [value]).map(String);
