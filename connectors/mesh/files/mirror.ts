/** One file (or the newest of a pattern) as rows in memory: read again when it changes, refused whole when too much of it is wrong. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { malformed, SourceError, unavailable } from '../../kit/errors.ts';
import type { Log } from '../../kit/log.ts';
import { row, type TypedEntity } from '../mapping.ts';
import { spelledRow } from '../spelling.ts';
import { type FileRow, parseFile, type Refused } from './parse.ts';

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
  readonly log: Log;
}

/** A file that is still being written changes within this time, in milliseconds. */
const STILL = 300;
const LARGEST = 16 * 1024 * 1024;
const TOLD = 10;

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
    const age = Date.now() - newest.modified.getTime();
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
      this.#complaint = refusals(newest.name, loaded.refused, loaded.loaded.rows.length + loaded.refused.length);
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

  async #load(file: Newest): Promise<{ loaded: Loaded; refused: readonly Refused[] }> {
    const { entities, asked, refuse, zone } = this.#options;
    if (file.size > LARGEST) throw malformed(`it is larger than ${LARGEST} bytes`);
    const bytes = await readFile(file.path).catch((error: unknown) => {
      throw unavailable('the file cannot be read', error);
    });
    const parsed = await parseFile(file.name, bytes);
    const wanted = [...new Set([...entities.flatMap(columnsOf), ...asked])];
    const missing = wanted.filter((one) => !parsed.columns.includes(one));
    if (missing.length > 0 && (parsed.rows.length > 0 || !/\.json$/i.test(file.name)))
      throw malformed(`it has no column ${missing.join(', ')}; it has ${parsed.columns.join(', ')}`);
    const refused = [...parsed.refused];
    const rows: Cells[] = [];
    const ids = entities.map(() => new Map<string, number>());
    for (const [i, one] of parsed.rows.entries()) {
      // A large file is read beside the questions of others.
      if (i % 1_000 === 999) await setImmediate();
      const found = judged(one, entities, zone, ids);
      if (typeof found === 'string') refused.push({ line: one.line, reason: found });
      else rows.push({ ...found, $file: file.name, $line: one.line, $modified: file.modified });
    }
    const all = rows.length + refused.length;
    refused.sort((a, b) => a.line - b.line);
    if (refused.length * 100 > refuse * all)
      throw malformed(`${refusals(file.name, refused, all)}, more than ${refuse} in 100`);
    const version = createHash('sha256').update(bytes).digest('base64url').slice(0, 16);
    return { loaded: { mark: file.mark, version, rows, index: new Map() }, refused };
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

/** One sentence, or null where all rows are good. */
export function refusals(name: string, refused: readonly Refused[], all: number): string | null {
  if (refused.length === 0) return null;
  const told = refused.slice(0, TOLD).map(({ line, reason }) => `line ${line}: ${reason}`);
  const more = refused.length > TOLD ? `; and ${refused.length - TOLD} more` : '';
  return `${refused.length} of ${all} rows of ${name} are refused: ${told.join('; ')}${more}`;
}

export interface Newest {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly modified: Date;
  readonly mark: string;
}

/** The newest file of that name; rejects (SOURCE_UNAVAILABLE) where there is none. */
export async function newestOf(folder: string, pattern: string): Promise<Newest> {
  const names = pattern.includes('*')
    ? (await readdir(folder).catch((): string[] => [])).filter((name) => matches(pattern, name))
    : [pattern];
  const found = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const about = await stat(path).catch(() => null);
      return about?.isFile()
        ? [{ name, path, size: about.size, modified: about.mtime, mark: `${name} ${about.size} ${about.mtimeMs}` }]
        : [];
    }),
  );
  const newest = found
    .flat()
    .sort((a, b) => b.modified.getTime() - a.modified.getTime() || (a.name < b.name ? 1 : -1))[0];
  if (!newest) throw unavailable(`there is no ${pattern}`);
  return newest;
}

/** Whether a file is called so. */
export function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((one) => one.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}
