/** The settings of the gateway in environment variables; all errors are reported at once, with variable, value found and example. */
import { statSync } from 'node:fs';
import { DEFAULT_HOST, DEFAULT_PORT } from '../bin/port.js';
import { integer, readSettings, type SettingError, settings, text } from '../connectors/kit/config/settings.ts';

export const gatewaySettings = settings('environment', {
  PORT: integer('Port to listen on', DEFAULT_PORT, 0, 65535),
  HOST: text('Address to listen on', DEFAULT_HOST, DEFAULT_HOST),
  ISTHMUS_DATA: text('Folder of the embedded database and of the demo', '.isthmus', '.isthmus'),
});

export interface GatewaySettings {
  readonly port: number;
  readonly host: string;
  readonly data: string;
  /** Null: the embedded PostgreSQL. */
  readonly databaseUrl: string | null;
  /** File of the key that signs responses and the audit log; null: one in the data folder. */
  readonly signingKey: string | null;
  /** NATS between replicas; null: every replica listens to the database. */
  readonly natsUrl: string | null;
}

/** The environment has invalid variables; the message lists every error. */
export class EnvironmentError extends Error {
  override name = 'EnvironmentError';
}

/** Reads the settings. Throws `EnvironmentError`. */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): GatewaySettings {
  const names = Object.keys(gatewaySettings.fields);
  const given = Object.fromEntries(names.filter((name) => environment[name]).map((name) => [name, environment[name]]));
  const read = readSettings(gatewaySettings, given);
  const errors: SettingError[] = [...read.errors];
  const url = environment['DATABASE_URL'] ?? null;
  if (url !== null && !/^postgres(ql)?:\/\//.test(url)) {
    errors.push({
      name: 'DATABASE_URL',
      problem:
        'must be a URL that begins with postgres://; example: DATABASE_URL=postgres://isthmus:password@127.0.0.1:5432/isthmus',
    });
  }
  const folder = read.values?.ISTHMUS_DATA;
  if (folder !== undefined && statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false) {
    errors.push({
      name: 'ISTHMUS_DATA',
      problem: `must be a folder, found the file ${folder}; example: ISTHMUS_DATA=.isthmus`,
    });
  }
  if (read.values === null || errors.length > 0) {
    const lines = errors.map(({ name, problem }) => `  - ${name} ${problem}`);
    throw new EnvironmentError(
      [`Invalid environment, ${errors.length === 1 ? '1 error' : `${errors.length} errors`}:`, ...lines].join('\n'),
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
