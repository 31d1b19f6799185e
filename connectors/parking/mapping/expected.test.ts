import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pathsOf } from '../../kit/monitoring/drift.ts';
import { driftOf, EXPECTED } from './expected.ts';
import * as mapping from './index.ts';

const fixture = (name: string): unknown =>
  JSON.parse(readFileSync(join(import.meta.dirname, '..', 'fixtures', `${name}.in.json`), 'utf8'));
const rows = (name: string) => (fixture(name) as { data: unknown[] }).data;
/** For each kind of record, sound ones and how they are read. */
const SOUND: Readonly<Record<string, { records: readonly unknown[]; map: (raw: unknown) => unknown }>> = {
  place: { records: [fixture('place')], map: mapping.lot },
  session: {
    records: rows('sessions').filter((one) => Object.hasOwn(one as object, 'hierachyElement')),
    map: mapping.session,
  },
  right: { records: [fixture('permit')], map: mapping.permit },
  observation: { records: rows('observations'), map: mapping.observation },
};
/** What sound vendors leave out: a session its end and fee, a right its end. */
const OPTIONAL: Readonly<Record<string, RegExp>> = {
  place: /occupancyCalculation$/,
  session: /^(actualEnd|segments.*)$/,
  right: /^(expiry|rightHolder\.credentials\.type)$/,
  observation: /supply|recordDateTime$/,
};

/** The same without what lies at that path, whatever the place in lists. */
function without(value: unknown, path: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((one) => without(one, path));
  if (typeof value !== 'object' || value === null) return value;
  const [first, ...rest] = path;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, one]) =>
      name !== first ? [[name, one]] : rest.length === 0 ? [] : [[name, without(one, rest)]],
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

test.each(EXPECTED)('each part without which a $record says something else is watched', (expected) => {
  const { records, map } = SOUND[expected.record] as (typeof SOUND)[string];
  const read = [...pathsOf(records)].filter((path) =>
    records.some((one) => attempt(map, without(one, path.split('.'))) !== attempt(map, one)),
  );
  const watched = Object.keys(expected.parts);
  // What holds a watched part is missed with it.
  const holds = (path: string) => watched.some((one) => one.startsWith(`${path}.`));
  const optional = OPTIONAL[expected.record] as RegExp;
  expect(read.filter((path) => !holds(path) && !optional.test(path)).sort()).toEqual([...watched].sort());
  const many = Array.from({ length: expected.few }, () => records).flat();
  expect(driftOf({ data: many }, expected)).toEqual([]);
  for (const path of watched)
    expect(driftOf({ data: without(many, path.split('.')) }, expected).map((one) => one.what)).toContain(
      `no ${expected.record} of ${many.length} has ${path}`,
    );
});
