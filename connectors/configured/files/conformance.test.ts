/** Files that are dropped into a folder keep the contract by configuration alone. */
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { readSettings } from '../../kit/config/settings.ts';
import { conformance } from '../../kit/testing/conformance/conformance.ts';
import { polled } from '../../kit/testing/conformance/conformance-ingest.ts';
import type { Simulator } from '../../kit/testing/simulator.ts';
import type { Ask } from '../core/declaration.ts';
import { rawRows, row } from '../core/mapping.ts';
import { typedTable } from '../core/tabular-source.ts';
import { spelledRow } from '../core/value-formats.ts';
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
/** Each a folder of its own: what is dropped, the same once more, and nonsense. */
const all = ['drops', 'spare', 'nonsense'].flatMap((one) => readSettings(files.settings, settingsOf(one)).values ?? []);
const [settings] = all;
if (!settings) throw new Error('The settings of the test are wrong.');
const [entity] = settings.entities.map(typedTable);
if (!entity) throw new Error('The declaration of the test is wrong.');

const room = mkdtempSync(join(tmpdir(), 'isthmus-leases-'));
afterAll(() => rmSync(room, { recursive: true, force: true }));
let drops = 0;
/** Drops a table. Each is older than a minute, so that nobody waits for it to be whole, and younger than the one before. */
function drop(folder: string, text: string): void {
  const file = join(room, folder, FILE);
  mkdirSync(join(room, folder), { recursive: true });
  writeFileSync(file, text);
  const time = Date.now() / 1000 - 3_600 + 60 * drops++;
  utimesSync(file, time, time);
}
const table = (codes: readonly string[], rent: (i: number) => string): string =>
  `No,Unit,Rent,Until\n${codes.map((code, i) => `L-${i + 1},${code},${rent(i)},2027/3/1\n`).join('')}`;

/** Whoever drops the files. */
const simulator: Simulator = {
  name: 'leases',
  start: async ({ world }) => {
    const codes = world.buildings.map((one) => one.code);
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
  connector: await files.make('leases', all, room),
  simulator,
  folder: FOLDER,
  settings: () => settingsOf('drops'),
  question: (world) => ({
    query: LEASES,
    variables: { r: buildings([world.buildings[0]?.id ?? '']) },
    check: (data) =>
      expect(data).toMatchObject({ _entities: [{ leases: { nodes: [{ rent: '12.50', until: '2027-03-01' }] } }] }),
  }),
  batch: (world) => ({
    representations: buildings([world.buildings[0]?.id ?? '', 'no-such-building', world.buildings[1]?.id ?? '']),
    selection: '... on Building { id leases { nodes { rent } } }',
    unknown: 1,
    isUnknown: (one) => one?.['leases'] === null,
    calls: 1,
  }),
  live: { question: LEASES, variables: (world) => ({ r: buildings([world.buildings[0]?.id ?? '']) }) },
  local: {
    spare: () => {
      const folder = join(room, 'spare');
      cpSync(join(room, 'drops'), folder, { recursive: true, preserveTimestamps: true });
      return {
        settings: settingsOf('spare'),
        shut: () => renameSync(folder, `${folder}-away`),
        open: () => renameSync(`${folder}-away`, folder),
      };
    },
    nonsense: () => {
      drop(
        'nonsense',
        table(['B01', 'B02'], () => 'dear'),
      );
      return { settings: settingsOf('nonsense'), field: /Rent is no decimal number/ };
    },
  },
  inflow: {
    'poll Lease': (at) => {
      const codes = at.world.buildings.map((one) => one.code);
      const dearer = () => {
        drop(
          'drops',
          table(codes, (i) => (i < 2 ? '13.00' : '12.50')),
        );
        return 2;
      };
      return polled('poll Lease', dearer)(at);
    },
  },
  twice: { job: 'poll Lease', state: "SELECT count(*) FROM event WHERE kind = 'RECORD_CHANGED'" },
  fixture: (_name, bytes) => {
    const rows = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>[];
    const answer = rows.map((one) => ({ ...spelledRow(one, entity, settings.zone), $modified: new Date(0) }));
    return rawRows(answer, entity.joins[0]?.ask as Ask).map((one) => row(entity, one.raw, one.where));
  },
});
