/** Rejected rows of a file: the first ones in a message, all of them in a report next to the files. */
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RejectedRow } from './table-rows.ts';

/** Folder of the reports, within the folder of the files. */
export const REPORT_FOLDER = 'refused';
/** Maximum number of rows in the message, and in a report. */
const MAX_IN_SUMMARY = 10;
const MAX_IN_REPORT = 10_000;
/** Maximum number of reports in a folder; the oldest are deleted. */
const MAX_REPORTS = 50;

/** Counts all rejected rows and stores the first `MAX_IN_REPORT`. */
export class RejectedRows {
  readonly #rows: RejectedRow[] = [];
  #count = 0;

  add(row: RejectedRow): void {
    this.#count++;
    if (this.#rows.length < MAX_IN_REPORT) this.#rows.push(row);
  }

  get count(): number {
    return this.#count;
  }

  get #sorted(): RejectedRow[] {
    return [...this.#rows].sort((a, b) => a.line - b.line);
  }

  /** Message with the first rows; null if none was rejected. `total`: rows of the file; `report`: path of the report. */
  summary(name: string, total: number, report: string | null): string | null {
    if (this.#count === 0) return null;
    const first = this.#sorted.slice(0, MAX_IN_SUMMARY).map(({ line, reason }) => `line ${line}: ${reason}`);
    const rest = this.#count - MAX_IN_SUMMARY;
    const more = rest > 0 ? `; and ${rest} more${report === null ? '' : `, see ${report}`}` : '';
    return `${this.#count} of ${total} rows of ${name} were rejected: ${first.join('; ')}${more}`;
  }

  /** The report: one line per stored row, and the number of others. It contains no value of a row. */
  report(name: string, total: number): string {
    const rest = this.#count - this.#rows.length;
    return [
      `${this.#count} of ${total} rows of ${name} were rejected.`,
      ...this.#sorted.map(({ line, reason }) => `line ${line}: ${reason}`),
      ...(rest > 0 ? [`and ${rest} more, which are not listed`] : []),
      '',
    ].join('\n');
  }
}

/**
 * Writes the report of a file, or deletes an earlier one if no row was rejected. Resolves with its path relative to the folder; null if
 * there is no report or it cannot be written.
 */
export async function writeReport(
  folder: string,
  name: string,
  rejected: RejectedRows,
  total: number,
): Promise<string | null> {
  const relativePath = `${REPORT_FOLDER}/${name}.txt`;
  const path = join(folder, relativePath);
  if (rejected.count === 0) {
    await rm(path, { force: true }).catch(() => undefined);
    return null;
  }
  try {
    await mkdir(join(folder, REPORT_FOLDER), { recursive: true });
    await writeFile(path, rejected.report(name, total));
    await prune(join(folder, REPORT_FOLDER));
    return relativePath;
  } catch {
    return null;
  }
}

async function prune(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.txt'));
  if (names.length <= MAX_REPORTS) return;
  const reports = await Promise.all(
    names.map(async (name) => ({ path: join(folder, name), time: (await stat(join(folder, name))).mtimeMs })),
  );
  reports.sort((a, b) => b.time - a.time);
  for (const { path } of reports.slice(MAX_REPORTS)) await rm(path, { force: true });
}
