/** Runs the conformance suite on files in a folder, connected by configuration. */
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { readSettings } from '../../kit/config/settings.ts';
import { conformance } from '../../kit/testing/conformance/conformance.ts';
import { polledList } from '../../kit/testing/conformance/conformance-ingest.ts';
import type { Simulator } from '../../kit/testing/simulator.ts';
import type { RowQuery } from '../core/declaration.ts';
import { extractRows, mapRow } from '../core/mapping.ts';
import { withDeclaredTypes } from '../core/tabular-source.ts';
import { normalizeRow } from '../core/value-formats.ts';
import files from './index.ts';

const FOLDER = join(import.meta.dirname, 'leases');
const FILE = 'leases.csv';
const ENTITIES = {
  Lease: {
    key: 'No',
    fetch: { operation: FILE, argument: 'No' },
    list: { operation: FILE, every: '1h' },
    fields: {
      rent: { from: 'Rent', type: 'Decimal' },
      until: { from: 'Until', type: 'Date' },
      building: { from: 'Unit', link: 'Building.id' },
    },
    on: { 'Building.leases': { operation: FILE, argument: 'Unit', many: true } },
  },
};
const settingsOf = (folder: string) => ({ system: 'leases', folder, entities: ENTITIES });
/** Three folders: the files, a copy of them, and invalid files. */
const all = ['drops', 'spare', 'nonsense'].flatMap(
  (folder) => readSettings(files.settings, settingsOf(folder)).values ?? [],
);
const [settings] = all;
if (!settings) throw new Error('The settings of the test are wrong.');
const [entity] = settings.entities.map(withDeclaredTypes);
if (!entity) throw new Error('The declaration of the test is wrong.');

const root = mkdtempSync(join(tmpdir(), 'isthmus-leases-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let drops = 0;
/** Writes a file that is newer than the one before and old enough to count as completely written. */
function drop(folder: string, text: string): void {
  const file = join(root, folder, FILE);
  mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(file, text);
  const time = Date.now() / 1000 - 3_600 + 60 * drops++;
  utimesSync(file, time, time);
}
const table = (codes: readonly string[], rent: (i: number) => string): string =>
  `No,Unit,Rent,Until\n${codes.map((code, i) => `L-${i + 1},${code},${rent(i)},2027/3/1\n`).join('')}`;

/** Writes the files. */
const simulator: Simulator = {
  name: 'leases',
  start: async ({ world }) => {
    const codes = world.buildings.map(({ code }) => code);
    drop(
      'drops',
      table(codes, () => '12.50'),
    );
    return { ports: {}, env: {}, close: async () => undefined };
  },
};

const buildings = (codes: readonly string[]) => codes.map((id) => ({ __typename: 'Building', id }));
const LEASES =
  'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Building { leases(first: 3) { nodes { rent until } totalCount } } } }';

conformance({
  connector: await files.createConnector('leases', all, root),
  simulator,
  folder: FOLDER,
  settings: () => settingsOf('drops'),
  sampleQuery: (world) => ({
    query: LEASES,
    variables: { r: buildings([world.buildings[0]?.id ?? '']) },
    check: (data) =>
      expect(data).toMatchObject({ _entities: [{ leases: { nodes: [{ rent: '12.50', until: '2027-03-01' }] } }] }),
  }),
  batch: (world) => ({
    representations: buildings([world.buildings[0]?.id ?? '', 'no-such-building', world.buildings[1]?.id ?? '']),
    selection: '... on Building { id leases { nodes { rent } } }',
    unknown: 1,
    isUnknown: (building) => building?.['leases'] === null,
    calls: 1,
  }),
  live: { query: LEASES, variables: (world) => ({ r: buildings([world.buildings[0]?.id ?? '']) }) },
  local: {
    replica: () => {
      const folder = join(root, 'spare');
      cpSync(join(root, 'drops'), folder, { recursive: true, preserveTimestamps: true });
      return {
        settings: settingsOf('spare'),
        stop: () => renameSync(folder, `${folder}-away`),
        start: () => renameSync(`${folder}-away`, folder),
      };
    },
    malformed: () => {
      drop(
        'nonsense',
        table(['B01', 'B02'], () => 'dear'),
      );
      return { settings: settingsOf('nonsense'), field: /Rent is not a decimal number/ };
    },
  },
  ingest: {
    'poll Lease': (at) => {
      const codes = at.world.buildings.map(({ code }) => code);
      const raiseRents = () => {
        drop(
          'drops',
          table(codes, (i) => (i < 2 ? '13.00' : '12.50')),
        );
        return 2;
      };
      return polledList('poll Lease', raiseRents)(at);
    },
  },
  idempotentJob: { job: 'poll Lease', state: "SELECT count(*) FROM event WHERE kind = 'RECORD_CHANGED'" },
  fixture: (_name, bytes) => {
    const rows = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>[];
    const response = rows.map((row) => ({ ...normalizeRow(row, entity, settings.zone), $modified: new Date(0) }));
    return extractRows(response, entity.joins[0]?.ask as RowQuery).map(({ raw, where }) => mapRow(entity, raw, where));
  },
});
