/** Holds the rows of one file, or the newest of a pattern, in memory. Reads it again when it changes; rejects it if too many rows are invalid. */
import { setTimeout } from 'node:timers/promises';
import { systemClock } from '../../kit/clock.ts';
import { malformed, SourceError, unavailable } from '../../kit/errors.ts';
import type { Log } from '../../kit/log.ts';
import { mapRow, type TypedEntity } from '../core/mapping.ts';
import { normalizeRow } from '../core/value-formats.ts';
import { type FoundFile, findNewest } from './file-pattern.ts';
import { parseFile } from './parse-file.ts';
import { RejectedRows, writeReport } from './rejected-rows.ts';
import type { FileRow } from './table-rows.ts';

/** A valid row: normalized cells by column, and `$file`, `$line`, `$modified`. */
export type Cells = Readonly<Record<string, unknown>>;

interface Loaded {
  readonly fingerprint: string;
  readonly version: string;
  readonly rows: readonly Cells[];
  /** By column, the rows by text of their cell; built on the first query by that column. */
  readonly index: Map<string, Map<string, Cells[]>>;
}

export interface FileMirrorOptions {
  readonly folder: string;
  /** File name; with `*` the newest matching file is used. */
  readonly pattern: string;
  /** Entities whose rows are in the file. */
  readonly entities: readonly TypedEntity[];
  /** Columns that queries filter by or match on. */
  readonly queriedColumns: readonly string[];
  /** UTC offset of times without one, such as `+08:00`. */
  readonly zone: string;
  /** Above this percentage of rejected rows the file is rejected. */
  readonly maxRejectedPercent: number;
  /** Whether rejected rows are written to a report next to the files. */
  readonly writeReports: boolean;
  readonly log: Log;
}

/** Milliseconds since the last modification after which a file counts as completely written. */
const SETTLE_TIME = 300;
/** Bytes. */
const MAX_SIZE = 16 * 1024 * 1024;

export class FileMirror {
  readonly #options: FileMirrorOptions;
  #loaded: Loaded | null = null;
  /** Fingerprint of the file that was read last, whether accepted or rejected. */
  #lastFingerprint = '';
  #deliveryProblem: string | null = null;
  #error: SourceError | null = null;
  #loading: Promise<void> | null = null;

  constructor(options: FileMirrorOptions) {
    this.#options = options;
  }

  /** What is wrong with the newest file; null: nothing. */
  get deliveryProblem(): string | null {
    return this.#deliveryProblem;
  }

  /** Digest of the loaded file; null before the first one. */
  get version(): string | null {
    return this.#loaded?.version ?? null;
  }

  /** All rows of the current file. Rejects with `SourceError` if no valid file has been read. */
  async rows(): Promise<readonly Cells[]> {
    return (await this.#current()).rows;
  }

  /** Rows whose cell in that column is one of the keys. */
  async rowsBy(column: string, keys: readonly string[]): Promise<readonly Cells[]> {
    const loaded = await this.#current();
    let index = loaded.index.get(column);
    if (!index) {
      index = new Map();
      for (const row of loaded.rows) {
        const key = String(row[column] ?? '');
        const rows = index.get(key);
        if (rows) rows.push(row);
        else index.set(key, [row]);
      }
      loaded.index.set(column, index);
    }
    return keys.flatMap((key) => index.get(key) ?? []);
  }

  async #current(): Promise<Loaded> {
    this.#loading ??= this.#refresh().finally(() => {
      this.#loading = null;
    });
    await this.#loading;
    if (!this.#loaded) throw this.#error ?? unavailable(`there is no file ${this.#options.pattern}`);
    return this.#loaded;
  }

  async #refresh(): Promise<void> {
    const { folder, pattern, log } = this.#options;
    const newest = await findNewest(folder, pattern);
    if (newest.fingerprint === this.#lastFingerprint) return;
    const age = systemClock.now().getTime() - newest.modified.getTime();
    if (age >= 0 && age < SETTLE_TIME) {
      // The file may still be written. Loaded rows are used until it is complete; the first read waits.
      if (this.#loaded) return;
      await setTimeout(SETTLE_TIME);
      return this.#refresh();
    }
    try {
      const { loaded, problem } = await this.#load(newest);
      // Modified while it was read: the rows may be incomplete.
      if ((await findNewest(folder, pattern)).fingerprint !== newest.fingerprint)
        return this.#loaded ? undefined : this.#refresh();
      const isFirst = this.#loaded === null;
      this.#loaded = loaded;
      this.#error = null;
      this.#deliveryProblem = problem;
      if (this.#deliveryProblem) log.warn(`${this.#deliveryProblem}.`);
      if (!isFirst) log.info(`Reloaded ${newest.name}: ${loaded.rows.length} rows.`);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      this.#error = error;
      const kept = this.#loaded ? '; the previously loaded rows are kept' : '';
      this.#deliveryProblem = `${newest.name} was rejected: ${error.detail}${kept}`;
      log.warn(`${this.#deliveryProblem}.`);
    }
    this.#lastFingerprint = newest.fingerprint;
  }

  async #load(file: FoundFile): Promise<{ loaded: Loaded; problem: string | null }> {
    const { folder, entities, queriedColumns, maxRejectedPercent, writeReports, zone } = this.#options;
    if (file.size > MAX_SIZE) throw malformed(`the file is larger than ${MAX_SIZE} bytes`);
    const columns = [...new Set([...entities.flatMap(columnsOf), ...queriedColumns])];
    const rejected = new RejectedRows();
    const rows: Cells[] = [];
    const ids = entities.map(() => new Map<string, number>());
    const { digest } = await parseFile(file, {
      onColumns: (found) => {
        const missing = columns.filter((column) => !found.includes(column));
        // A JSON file without rows has no columns.
        if (missing.length > 0 && (found.length > 0 || !/\.json$/i.test(file.name)))
          throw malformed(`the file has no column ${missing.join(', ')}; its columns are ${found.join(', ')}`);
      },
      onRow: ({ line, cells }) => {
        // Unused columns are not kept in memory.
        const own = Object.fromEntries(columns.map((name) => [name, cells[name] ?? null]));
        const checked = checkRow({ line, cells: own }, entities, zone, ids);
        if (typeof checked === 'string') rejected.add({ line, reason: checked });
        else rows.push({ ...checked, $file: file.name, $line: line, $modified: file.modified });
      },
      onRejected: (row) => rejected.add(row),
    });
    const total = rows.length + rejected.count;
    const report = writeReports ? await writeReport(folder, file.name, rejected, total) : null;
    const problem = rejected.summary(file.name, total, report);
    if (rejected.count * 100 > maxRejectedPercent * total)
      throw malformed(`${problem}; at most ${maxRejectedPercent} % may be rejected`);
    return { loaded: { fingerprint: file.fingerprint, version: digest, rows, index: new Map() }, problem };
  }
}

/** The row normalized for every entity, or why it is rejected. `ids`: for each entity, the line of each key so far; updated. */
function checkRow(
  row: FileRow,
  entities: readonly TypedEntity[],
  zone: string,
  ids: readonly Map<string, number>[],
): Cells | string {
  const cells = entities.reduce((previous, entity) => normalizeRow(previous, entity, zone), { ...row.cells });
  for (const [i, entity] of entities.entries()) {
    let id: string;
    try {
      id = mapRow(entity, { ...cells, $file: '', $line: 0, $modified: new Date(0) }, '').id;
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      return error.detail.replace(/^\./, '');
    }
    if (entity.key === null) continue;
    const firstLine = ids[i]?.get(id);
    if (firstLine !== undefined) return `${entity.key} is a duplicate of line ${firstLine}`;
    ids[i]?.set(id, row.line);
  }
  return cells;
}

/** Columns that the file must have, without those the mirror adds (`$...`). */
const columnsOf = (entity: TypedEntity): string[] =>
  [entity.key, entity.recordedAt, ...entity.fields.map(({ from }) => from)].filter(
    (column): column is string => column !== null && !column.startsWith('$'),
  );
