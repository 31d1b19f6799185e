/** What the gateway must be told by its environment; faults are named at once, with the variable, what was found and an example. */
import { statSync } from 'node:fs';
import { DEFAULT_HOST, DEFAULT_PORT } from '../bin/port.js';
import { integer, readSettings, type SettingFault, settings, text } from '../connectors/kit/config/settings.ts';

export const gatewaySettings = settings('environment', {
  PORT: integer('Port of everything the hub offers', DEFAULT_PORT, 0, 65535),
  HOST: text('Address to listen on', DEFAULT_HOST, DEFAULT_HOST),
  ISTHMUS_DATA: text('Folder of the embedded database and of the demo', '.isthmus', '.isthmus'),
});

export interface GatewaySettings {
  readonly port: number;
  readonly host: string;
  readonly data: string;
  /** Null: the embedded PostgreSQL. */
  readonly databaseUrl: string | null;
  /** File of the key that signs answers and the audit log; null: one in the data folder. */
  readonly signingKey: string | null;
  /** NATS between replicas; null: each listens to the database. */
  readonly natsUrl: string | null;
}

/** The environment cannot be used; the message names every fault. */
export class EnvironmentError extends Error {
  override name = 'EnvironmentError';
}

/** Reads and checks the environment. */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): GatewaySettings {
  const names = Object.keys(gatewaySettings.fields);
  const given = Object.fromEntries(names.filter((name) => environment[name]).map((name) => [name, environment[name]]));
  const read = readSettings(gatewaySettings, given);
  const faults: SettingFault[] = [...read.faults];
  const url = environment['DATABASE_URL'] ?? null;
  if (url !== null && !/^postgres(ql)?:\/\//.test(url)) {
    faults.push({
      name: 'DATABASE_URL',
      problem:
        'must be an address beginning with postgres://; example: DATABASE_URL=postgres://isthmus:password@127.0.0.1:5432/isthmus',
    });
  }
  const folder = read.values?.ISTHMUS_DATA;
  if (folder !== undefined && statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false) {
    faults.push({
      name: 'ISTHMUS_DATA',
      problem: `must be a folder, found the file ${folder}; example: ISTHMUS_DATA=.isthmus`,
    });
  }
  if (read.values === null || faults.length > 0) {
    const lines = faults.map((fault) => `  - ${fault.name} ${fault.problem}`);
    throw new EnvironmentError(
      [`The environment has ${faults.length === 1 ? 'one fault' : `${faults.length} faults`}:`, ...lines].join('\n'),
    );
  }
  return {
    port: read.values.PORT,
    host: read.values.HOST,
    data: read.values.ISTHMUS_DATA,
    databaseUrl: url,
    signingKey: environment['ISTHMUS_SIGNING_KEY'] || null,
    natsUrl: environment['NATS_URL'] || null,
  };
}
