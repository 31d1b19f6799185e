import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, relative, resolve } from 'node:path';
import { createLog } from '../../kit/log.ts';
import { queriesOf } from '../core/connector-family.ts';
import { withDeclaredTypes } from '../core/tabular-source.ts';
import type { EntityDraft } from '../draft/draft-entities.ts';
import { draftTable } from '../draft/draft-table.ts';
import { FileMirror } from '../files/file-mirror.ts';
import { findNewest, matchesPattern } from '../files/file-pattern.ts';
import { parseFile, SUPPORTED_NAME } from '../files/parse-file.ts';
import { OnboardError, type OnboardOptions, type OnboardTarget, type Probe } from './probe.ts';
import { describeFirstRow } from './sample-query.ts';

/** Default offset of times without one. */
const ZONE = '+08:00';
/** Rows from which types and keys are guessed. */
const SAMPLE_ROWS = 10_000;

/** Probes files: one by name, the newest of a pattern such as `leases-*.csv`, or all of a folder. Rejects with `OnboardError`. */
export async function probeFiles({ source }: OnboardOptions, place: OnboardTarget): Promise<Probe> {
  const isWholeFolder = isFolder(source);
  const folder = resolve(isWholeFolder ? source : dirname(source));
  const patterns = isWholeFolder
    ? readdirSync(folder)
        .filter((name) => SUPPORTED_NAME.test(name))
        .sort()
    : [basename(source)];
  if (patterns.some((pattern) => !SUPPORTED_NAME.test(pattern)))
    throw new OnboardError(`${source} is not a supported file; supported are CSV, TSV, TXT, XLSX and JSON.`);
  const summaries: string[] = [];
  const drafts: EntityDraft[] = [];
  for (const pattern of patterns) {
    try {
      const newest = await findNewest(folder, pattern);
      let columns: readonly string[] = [];
      const rows: Readonly<Record<string, unknown>>[] = [];
      let count = 0;
      const { format: as } = await parseFile(newest, {
        onColumns: (found) => {
          columns = found;
        },
        onRow: ({ cells }) => {
          count++;
          if (rows.length < SAMPLE_ROWS) rows.push(cells);
        },
        onRejected: () => {
          count++;
        },
      });
      summaries.push(`${newest.name}: ${count} rows, ${columns.length} columns (${as})`);
      const draft = draftTable(
        {
          name: pattern,
          columns: columns.map((name) => ({ name, type: null })),
          rows,
          key: null,
          every: '5s',
        },
        place.buildingCodes,
      );
      const base = draft?.name ?? '';
      const sameName = drafts.filter(({ name }) => name.replace(/\d+$/, '') === base).length;
      if (draft) drafts.push(sameName === 0 ? draft : { ...draft, name: `${base}${sameName + 1}` });
    } catch (error) {
      throw new OnboardError(`${pattern} cannot be read: ${(error as Error).message}.`);
    }
  }
  const relativeFolder = relative(place.folder, folder).replaceAll('\\', '/') || '.';
  return {
    summary: summaries.join('; '),
    drafts,
    emptyReason: `There is no CSV, XLSX or JSON file with rows in ${source}`,
    family: 'files',
    fileSettings: { folder: relativeFolder.startsWith('..') ? folder : relativeFolder, zone: ZONE },
    settings: { folder, zone: ZONE },
    copy: null,
    sample: async (entity) => {
      const pattern = queriesOf(entity)[0]?.operation ?? '';
      const mirror = new FileMirror({
        ...{ folder, pattern, zone: ZONE, maxRejectedPercent: 100, queriedColumns: [], writeReports: false },
        entities: [withDeclaredTypes(entity)],
        log: createLog(() => undefined),
      });
      const result = describeFirstRow(entity, await mirror.rows());
      return [result, ...(mirror.deliveryProblem ? [mirror.deliveryProblem] : [])];
    },
    close: async () => undefined,
  };
}

function isFolder(source: string): boolean {
  try {
    return statSync(source).isDirectory();
  } catch {
    // A pattern is not a file; a file in its folder must match.
    const hasMatch =
      basename(source).includes('*') && isFolder(dirname(source))
        ? readdirSync(dirname(source)).some((name) => matchesPattern(basename(source), name))
        : false;
    if (!hasMatch)
      throw new OnboardError(
        `${source} is neither a file nor a folder, and no file matches it; example: isthmus onboard csv drops/leases.csv --system leases`,
      );
    return false;
  }
}
