import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { jsonPaths } from '../../kit/monitoring/drift.ts';
import { EXPECTED_RECORDS, findDrift } from './drift.ts';
import * as mapping from './index.ts';

const fixture = (name: string): unknown =>
  JSON.parse(readFileSync(join(import.meta.dirname, '..', 'fixtures', `${name}.in.json`), 'utf8'));
const rows = (name: string) => (fixture(name) as { data: unknown[] }).data;
/** Valid records of each kind, and the function that maps them. */
const VALID: Readonly<Record<string, { records: readonly unknown[]; map: (raw: unknown) => unknown }>> = {
  place: { records: [fixture('place')], map: mapping.lot },
  session: {
    records: rows('sessions').filter((row) => Object.hasOwn(row as object, 'hierachyElement')),
    map: mapping.session,
  },
  right: { records: [fixture('permit')], map: mapping.permit },
  observation: { records: rows('observations'), map: mapping.observation },
};
/** Paths that valid records may lack: end and fee of a session, end of a right. */
const OPTIONAL: Readonly<Record<string, RegExp>> = {
  place: /occupancyCalculation$/,
  session: /^(actualEnd|segments.*)$/,
  right: /^(expiry|rightHolder\.credentials\.type)$/,
  observation: /supply|recordDateTime$/,
};

/** A copy without the value at this path, in every list item. */
function without(value: unknown, path: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => without(item, path));
  if (typeof value !== 'object' || value === null) return value;
  const [first, ...rest] = path;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) =>
      name !== first ? [[name, member]] : rest.length === 0 ? [] : [[name, without(member, rest)]],
    ),
  );
}
const attempt = (map: (raw: unknown) => unknown, raw: unknown): string => {
  try {
    return JSON.stringify(map(raw));
  } catch (error) {
    return String(error);
  }
};

test.each(EXPECTED_RECORDS)(
  'parking drift: every path that changes the mapped $record is in the drift check',
  (expected) => {
    const { records, map } = VALID[expected.record] as (typeof VALID)[string];
    const read = [...jsonPaths(records)].filter((path) =>
      records.some((record) => attempt(map, without(record, path.split('.'))) !== attempt(map, record)),
    );
    const watched = Object.keys(expected.fieldsByPath);
    // A parent of an expected path is covered by it.
    const isParent = (path: string) => watched.some((child) => child.startsWith(`${path}.`));
    const optional = OPTIONAL[expected.record] as RegExp;
    expect(read.filter((path) => !isParent(path) && !optional.test(path)).sort()).toEqual([...watched].sort());
    const many = Array.from({ length: expected.minRecords }, () => records).flat();
    expect(findDrift({ data: many }, expected)).toEqual([]);
    for (const path of watched)
      expect(findDrift({ data: without(many, path.split('.')) }, expected).map((drift) => drift.description)).toContain(
        `no ${expected.record} of ${many.length} has ${path}`,
      );
  },
);
