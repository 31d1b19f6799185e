/** One installation hosted for a test: settings as isthmus.yaml gives them, a database of the test's, the demo's park. */
import { expect } from 'vitest';
import type { Database } from '../../../schema/database/database.ts';
import type { InstallationConfig, ParkConfig } from '../config/config.ts';
import { readSettings } from '../config/settings.ts';
import type { AnyConnector } from '../connector.ts';
import { Host, type HostOptions } from '../host/host.ts';
import { loadKeys } from '../host/services.ts';
import { silentLog } from '../log.ts';
import { type World, world } from './park/index.ts';

/** The demo's park as isthmus.yaml describes it. */
export function demoPark(demo: World): ParkConfig {
  return {
    id: demo.park.id,
    name: demo.park.name,
    region: demo.park.region,
    kind: 'SOFTWARE',
    function: null,
    ledBy: null,
    level: null,
    buildings: demo.buildings.map((one) => ({
      id: one.id,
      name: one.name,
      floorArea: one.floorArea,
      known: [one.code],
    })),
  };
}

/** The installation that these settings make; they must be right. */
export function installationOf(
  connector: AnyConnector,
  id: string,
  raw: Readonly<Record<string, unknown>>,
  park = 'lakeside',
): InstallationConfig {
  const { values, faults } = readSettings(connector.settings, raw);
  expect(faults).toEqual([]);
  return { id, park, connector: connector.name, settings: values, protocol: connector.protocol(values) };
}

/** Hosts it; `more` says what is unusual. The caller closes it. */
export async function raiseIsland(
  connector: AnyConnector,
  installation: { id: string; raw: Readonly<Record<string, unknown>>; park?: string },
  database: Database,
  more: Partial<Omit<HostOptions, 'connector' | 'database'>> = {},
): Promise<Host> {
  return Host.raise({
    connector,
    database,
    installations: [installationOf(connector, installation.id, installation.raw, installation.park)],
    parks: [demoPark(world())],
    keys: await loadKeys(database),
    log: silentLog,
    ...more,
  });
}
