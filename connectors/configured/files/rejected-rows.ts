/** Rows that were refused: the first of them in a sentence, all of them in a report beside the files. */
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Refused } from './table-rows.ts';

/** Folder within that of the files. */
export const REPORTS = 'refused';
/** Rows that a sentence tells, and that a report has at most. */
const TOLD = 10;
const KEPT = 10_000;
/** Reports that stand at most; the oldest go. */
const REPORTS_KEPT = 50;

/** Counts all, remembers the first. */
export class Refusals {
  readonly #rows: Refused[] = [];
  #count = 0;

  add(row: Refused): void {
    this.#count++;
    if (this.#rows.length < KEPT) this.#rows.push(row);
  }

  get count(): number {
    return this.#count;
  }

  get #sorted(): Refused[] {
    return [...this.#rows].sort((a, b) => a.line - b.line);
  }

  /** One sentence; null where all rows are good. `report`: where all of them stand. */
  sentence(name: string, all: number, report: string | null): string | null {
    if (this.#count === 0) return null;
    const told = this.#sorted.slice(0, TOLD).map(({ line, reason }) => `line ${line}: ${reason}`);
    const rest = this.#count - TOLD;
    const more = rest > 0 ? `; and ${rest} more${report === null ? '' : `, all in ${report}`}` : '';
    return `${this.#count} of ${all} rows of ${name} are refused: ${told.join('; ')}${more}`;
  }

  /** The report: a line for each row, and how many it has no line for. No value of a row stands in it. */
  text(name: string, all: number): string {
    const rest = this.#count - this.#rows.length;
    return [
      `${this.#count} of ${all} rows of ${name} are refused.`,
      ...this.#sorted.map(({ line, reason }) => `line ${line}: ${reason}`),
      ...(rest > 0 ? [`and ${rest} more, which are not told one by one`] : []),
      '',
    ].join('\n');
  }
}

/**
 * Writes the report of a file, or takes the former one away where nothing is refused any more. Answers its place, seen from the folder;
 * null where there is none, or it cannot be written.
 */
export async function report(folder: string, name: string, refused: Refusals, all: number): Promise<string | null> {
  const place = `${REPORTS}/${name}.txt`;
  const path = join(folder, place);
  if (refused.count === 0) {
    await rm(path, { force: true }).catch(() => undefined);
    return null;
  }
  try {
    await mkdir(join(folder, REPORTS), { recursive: true });
    await writeFile(path, refused.text(name, all));
    await prune(join(folder, REPORTS));
    return place;
  } catch {
    return null;
  }
}

async function prune(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.txt'));
  if (names.length <= REPORTS_KEPT) return;
  const aged = await Promise.all(
    names.map(async (name) => ({ path: join(folder, name), time: (await stat(join(folder, name))).mtimeMs })),
  );
  aged.sort((a, b) => b.time - a.time);
  for (const { path } of aged.slice(REPORTS_KEPT)) await rm(path, { force: true });
}
