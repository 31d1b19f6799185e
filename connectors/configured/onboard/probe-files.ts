import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, relative, resolve } from 'node:path';
import { makeLog } from '../../kit/log.ts';
import { asksOf } from '../core/connector-family.ts';
import { typedTable } from '../core/tabular-source.ts';
import type { Drafted } from '../draft/draft-entities.ts';
import { draftTable } from '../draft/draft-table.ts';
import { Mirror } from '../files/file-mirror.ts';
import { matches, newestOf } from '../files/file-pattern.ts';
import { parseFile, READABLE } from '../files/parse-file.ts';
import { OnboardError, type OnboardOptions, type Place, type Probe } from './probe.ts';
import { firstOf } from './sample-query.ts';

/** Times without an offset are taken for Beijing's until the file says otherwise. */
const ZONE = '+08:00';
/** Rows that types and keys are guessed from. */
const SAMPLE = 10_000;

/** Files that are dropped: one by name, the newest of a pattern such as `leases-*.csv`, or all of a folder. */
export async function probeFiles({ source }: OnboardOptions, place: Place): Promise<Probe> {
  const whole = isFolder(source);
  const folder = resolve(whole ? source : dirname(source));
  const patterns = whole
    ? readdirSync(folder)
        .filter((name) => READABLE.test(name))
        .sort()
    : [basename(source)];
  if (patterns.some((one) => !READABLE.test(one)))
    throw new OnboardError(`${source} is not named like a CSV, TSV, TXT, XLSX or JSON file.`);
  const read: string[] = [];
  const drafted: Drafted[] = [];
  for (const pattern of patterns) {
    try {
      const newest = await newestOf(folder, pattern);
      let columns: readonly string[] = [];
      const rows: Readonly<Record<string, unknown>>[] = [];
      let count = 0;
      const { read: as } = await parseFile(newest, {
        columns: (found) => {
          columns = found;
        },
        row: ({ cells }) => {
          count++;
          if (rows.length < SAMPLE) rows.push(cells);
        },
        refuse: () => {
          count++;
        },
      });
      read.push(`${newest.name}: ${count} rows, ${columns.length} columns (${as})`);
      const one = draftTable(
        {
          name: pattern,
          columns: columns.map((name) => ({ name, type: null })),
          rows,
          key: null,
          every: '5s',
        },
        place.codes,
      );
      const base = one?.name ?? '';
      const twice = drafted.filter((each) => each.name.replace(/\d+$/, '') === base).length;
      if (one) drafted.push(twice === 0 ? one : { ...one, name: `${base}${twice + 1}` });
    } catch (error) {
      throw new OnboardError(`${pattern} cannot be read: ${(error as Error).message}.`);
    }
  }
  const beside = relative(place.folder, folder).replaceAll('\\', '/') || '.';
  return {
    found: read.join('; '),
    drafted,
    nothing: `There is no CSV, XLSX or JSON file with rows in ${source}`,
    connector: 'files',
    written: { folder: beside.startsWith('..') ? folder : beside, zone: ZONE },
    values: { folder, zone: ZONE },
    copy: null,
    sample: async (entity) => {
      const pattern = asksOf(entity)[0]?.operation ?? '';
      const mirror = new Mirror({
        ...{ folder, pattern, zone: ZONE, refuse: 100, asked: [], reports: false },
        entities: [typedTable(entity)],
        log: makeLog(() => undefined),
      });
      const told = firstOf(entity, await mirror.rows());
      return [told, ...(mirror.complaint ? [mirror.complaint] : [])];
    },
    close: async () => undefined,
  };
}

function isFolder(source: string): boolean {
  try {
    if (statSync(source).isDirectory()) return true;
    return false;
  } catch {
    // A pattern is no file of its own; its folder must be there.
    const found =
      basename(source).includes('*') && isFolder(dirname(source))
        ? readdirSync(dirname(source)).some((name) => matches(basename(source), name))
        : false;
    if (!found)
      throw new OnboardError(
        `${source} is neither a file nor a folder; example: isthmus onboard csv drops/leases.csv --system leases`,
      );
    return false;
  }
}
