/** Hosts one installation for a test, with settings as in isthmus.yaml, the test's database and the demo park. */
import { expect } from 'vitest';
import type { Database } from '../../../schema/database/database.ts';
import type { InstallationConfig, ParkConfig } from '../config/config.ts';
import { readSettings } from '../config/settings.ts';
import type { AnyConnector } from '../connector.ts';
import { Host, type HostOptions } from '../host/host.ts';
import { loadKeys } from '../host/services.ts';
import { silentLog } from '../log.ts';
import { createWorld, type World } from './park/index.ts';

/** The demo park as isthmus.yaml describes it. */
export function demoParkConfig(demo: World): ParkConfig {
  return {
    id: demo.park.id,
    name: demo.park.name,
    region: demo.park.region,
    kind: 'SOFTWARE',
    function: null,
    ledBy: null,
    level: null,
    zone: 'Asia/Shanghai',
    buildings: demo.buildings.map((one) => ({
      id: one.id,
      name: one.name,
      floorArea: one.floorArea,
      known: [one.code],
    })),
  };
}

/** The configuration of an installation with these settings. Fails the test when a setting is invalid. */
export function installationConfig(
  connector: AnyConnector,
  id: string,
  raw: Readonly<Record<string, unknown>>,
  park = 'lakeside',
): InstallationConfig {
  const { values, errors: faults } = readSettings(connector.settings, raw);
  expect(faults).toEqual([]);
  return { id, park, connector: connector.name, settings: values, protocol: connector.protocol(values) };
}

/** Starts a host with this installation; `more` overrides host options. The caller closes the host. */
export async function startInstallation(
  connector: AnyConnector,
  installation: { id: string; raw: Readonly<Record<string, unknown>>; park?: string },
  database: Database,
  more: Partial<Omit<HostOptions, 'connector' | 'database'>> = {},
): Promise<Host> {
  return Host.open({
    connector,
    database,
    installations: [installationConfig(connector, installation.id, installation.raw, installation.park)],
    parks: [demoParkConfig(createWorld())],
    keys: await loadKeys(database),
    log: silentLog,
    ...more,
  });
}
