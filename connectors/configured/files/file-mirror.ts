/** One file (or the newest of a pattern) as rows in memory: read again when it changes, refused whole when too much of it is wrong. */
import { setTimeout } from 'node:timers/promises';
import { systemClock } from '../../kit/clock.ts';
import { malformed, SourceError, unavailable } from '../../kit/errors.ts';
import type { Log } from '../../kit/log.ts';
import { row, type TypedEntity } from '../core/mapping.ts';
import { spelledRow } from '../core/value-formats.ts';
import { type Newest, newestOf } from './file-pattern.ts';
import { parseFile } from './parse-file.ts';
import { Refusals, report } from './rejected-rows.ts';
import type { FileRow } from './table-rows.ts';

/** Rows that are good, as the declaration sees them. */
export type Cells = Readonly<Record<string, unknown>>;

interface Loaded {
  readonly mark: string;
  readonly version: string;
  readonly rows: readonly Cells[];
  /** By column, rows by the text of their cell; made when first asked by that column. */
  readonly index: Map<string, Map<string, Cells[]>>;
}

export interface MirrorOptions {
  readonly folder: string;
  /** A file's name; `*` stands for anything, and the newest file counts. */
  readonly pattern: string;
  /** Entities whose rows stand in it. */
  readonly entities: readonly TypedEntity[];
  /** Columns that questions are asked by. */
  readonly asked: readonly string[];
  /** Offset of times without one, such as `+08:00`. */
  readonly zone: string;
  /** Of 100 rows, how many may be refused before the file is. */
  readonly refuse: number;
  /** Whether refused rows are written down beside the files. */
  readonly reports: boolean;
  readonly log: Log;
}

/** A file that is still being written changes within this time, in milliseconds. */
const STILL = 300;
const LARGEST = 16 * 1024 * 1024;

export class Mirror {
  readonly #options: MirrorOptions;
  #loaded: Loaded | null = null;
  /** The file that was looked at last, taken or refused. */
  #seen = '';
  #complaint: string | null = null;
  #fault: SourceError | null = null;
  #loading: Promise<void> | null = null;

  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  /** What is wrong with the newest file, or null. */
  get complaint(): string | null {
    return this.#complaint;
  }

  get version(): string | null {
    return this.#loaded?.version ?? null;
  }

  /** All rows; after the file has changed, the new ones. Rejects with `SourceError` where there is no file, or none was good. */
  async rows(): Promise<readonly Cells[]> {
    return (await this.#current()).rows;
  }

  /** Rows whose cell in that column is one of the keys. */
  async rowsBy(column: string, keys: readonly string[]): Promise<readonly Cells[]> {
    const loaded = await this.#current();
    let index = loaded.index.get(column);
    if (!index) {
      index = new Map();
      for (const one of loaded.rows) {
        const key = String(one[column] ?? '');
        const known = index.get(key);
        if (known) known.push(one);
        else index.set(key, [one]);
      }
      loaded.index.set(column, index);
    }
    return keys.flatMap((key) => index.get(key) ?? []);
  }

  async #current(): Promise<Loaded> {
    this.#loading ??= this.#look().finally(() => {
      this.#loading = null;
    });
    await this.#loading;
    if (!this.#loaded) throw this.#fault ?? unavailable(`there is no ${this.#options.pattern}`);
    return this.#loaded;
  }

  async #look(): Promise<void> {
    const { folder, pattern, log } = this.#options;
    const newest = await newestOf(folder, pattern);
    if (newest.mark === this.#seen) return;
    const age = systemClock.now().getTime() - newest.modified.getTime();
    if (age >= 0 && age < STILL) {
      // Rows that stand wait until the file is whole; a first reading waits for it.
      if (this.#loaded) return;
      await setTimeout(STILL);
      return this.#look();
    }
    try {
      const loaded = await this.#load(newest);
      // Written while it was read: what was read may be half of it.
      if ((await newestOf(folder, pattern)).mark !== newest.mark) return this.#loaded ? undefined : this.#look();
      const first = this.#loaded === null;
      this.#loaded = loaded.loaded;
      this.#fault = null;
      this.#complaint = loaded.complaint;
      if (this.#complaint) log.warn(`${this.#complaint}.`);
      if (!first) log.info(`${newest.name} was read again: ${loaded.loaded.rows.length} rows.`);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      this.#fault = error;
      const stand = this.#loaded ? '; the rows read before stand' : '';
      this.#complaint = `${newest.name} was refused: ${error.detail}${stand}`;
      log.warn(`${this.#complaint}.`);
    }
    this.#seen = newest.mark;
  }

  async #load(file: Newest): Promise<{ loaded: Loaded; complaint: string | null }> {
    const { folder, entities, asked, refuse, reports, zone } = this.#options;
    if (file.size > LARGEST) throw malformed(`it is larger than ${LARGEST} bytes`);
    const wanted = [...new Set([...entities.flatMap(columnsOf), ...asked])];
    const refused = new Refusals();
    const rows: Cells[] = [];
    const ids = entities.map(() => new Map<string, number>());
    const { digest } = await parseFile(file, {
      columns: (columns) => {
        const missing = wanted.filter((one) => !columns.includes(one));
        // A JSON file without rows has no names either.
        if (missing.length > 0 && (columns.length > 0 || !/\.json$/i.test(file.name)))
          throw malformed(`it has no column ${missing.join(', ')}; it has ${columns.join(', ')}`);
      },
      row: ({ line, cells }) => {
        // Columns that nobody asks for are not held.
        const own = Object.fromEntries(wanted.map((name) => [name, cells[name] ?? null]));
        const found = judged({ line, cells: own }, entities, zone, ids);
        if (typeof found === 'string') refused.add({ line, reason: found });
        else rows.push({ ...found, $file: file.name, $line: line, $modified: file.modified });
      },
      refuse: (row) => refused.add(row),
    });
    const all = rows.length + refused.count;
    const place = reports ? await report(folder, file.name, refused, all) : null;
    const complaint = refused.sentence(file.name, all, place);
    if (refused.count * 100 > refuse * all) throw malformed(`${complaint}, more than ${refuse} in 100`);
    return { loaded: { mark: file.mark, version: digest, rows, index: new Map() }, complaint };
  }
}

/** The row as every entity reads it, or why it is refused. */
function judged(
  one: FileRow,
  entities: readonly TypedEntity[],
  zone: string,
  ids: readonly Map<string, number>[],
): Cells | string {
  const cells = entities.reduce((found, entity) => spelledRow(found, entity, zone), { ...one.cells });
  for (const [n, entity] of entities.entries()) {
    let id: string;
    try {
      id = row(entity, { ...cells, $file: '', $line: 0, $modified: new Date(0) }, '').id;
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      return error.detail.replace(/^\./, '');
    }
    if (entity.key === null) continue;
    const before = ids[n]?.get(id);
    if (before !== undefined) return `${entity.key} stands already in line ${before}`;
    ids[n]?.set(id, one.line);
  }
  return cells;
}

/** Columns that must be there; those of the reader itself begin with `$`. */
const columnsOf = (entity: TypedEntity): string[] =>
  [entity.key, entity.recordedAt, ...entity.fields.map((one) => one.from)].filter(
    (one): one is string => one !== null && !one.startsWith('$'),
  );
