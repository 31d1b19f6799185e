/**
 * isthmus.yaml: parks, installations, remote subgraphs. Read and checked as a whole; every fault is named at once, with its
 * line, what was found and an example. Secrets come from the environment by ${NAME}, with ${NAME:-default} where one is given.
 */
import { readFileSync } from 'node:fs';
import type { Config } from './config.ts';
import { type Known, readInstallations, readSubgraphs } from './installations.ts';
import { idsOf, readParks } from './parks.ts';
import { readAudit } from './sections/audit.ts';
import { readAuth } from './sections/auth.ts';
import { readExplorer } from './sections/explorer.ts';
import { readLimits } from './sections/limits.ts';
import { readOrigins } from './sections/origins.ts';
import { readRetention } from './sections/retention.ts';
import { readMilliseconds } from './settings.ts';
import { ConfigError, ConfigText, entriesOf } from './yaml-text.ts';

const SECTIONS = [
  'parks',
  'installations',
  'subgraphs',
  'auth',
  'anonymous',
  'origins',
  'explorer',
  'limits',
  'retention',
  'audit',
  'guard',
  'deadline',
];
/** Roles that a caller without a token may have: one that sees invented companies only. */
const ANONYMOUS_ROLES = ['developer'];

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the file; throws `ConfigError`. `environment` gives the values of ${NAME}. */
export function readConfigFile(file: string, connectors: Known, environment: Environment = process.env): Config {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new ConfigError(file, [
      'the file cannot be read; name another with --config FILE, or see isthmus.example.yaml',
    ]);
  }
  return readConfig(text, file, connectors, environment);
}

/** Reads the text of a file; throws `ConfigError`. */
export function readConfig(
  text: string,
  file: string,
  connectors: Known,
  environment: Environment = process.env,
): Config {
  const source = new ConfigText(text, file, environment);
  for (const [name, { key }] of entriesOf(source.root)) {
    if (!SECTIONS.includes(name)) source.fault(key, `${name} is not known here; known are ${SECTIONS.join(', ')}`);
  }
  const takeId = idsOf(source);
  const parks = readParks(source, takeId);
  const installations = readInstallations(source, { parks, connectors, takeId });
  const auth = section(source, 'auth', readAuth);
  const anonymous = readAnonymous(source);
  const config = {
    file,
    parks,
    installations,
    subgraphs: readSubgraphs(source, connectors, installations),
    auth,
    limits: section(source, 'limits', readLimits),
    anonymous,
    explorer: section(source, 'explorer', (raw, fault) => readExplorer(raw, { auth, anonymous }, fault)),
    origins: section(source, 'origins', readOrigins),
    retention: section(source, 'retention', readRetention),
    audit: section(source, 'audit', readAudit),
    deadline: readDeadline(source),
  };
  source.finish();
  return config;
}

/** A section that reads itself from plain values. */
function section<T>(source: ConfigText, name: string, read: (raw: unknown, fault: (sentence: string) => void) => T): T {
  const node = source.section(name);
  return read(source.plain(node), (sentence) => source.fault(node, sentence));
}

function readAnonymous(source: ConfigText): string | null {
  const node = source.section('anonymous');
  const role = source.plain(node);
  if (role !== null && !ANONYMOUS_ROLES.includes(String(role))) {
    source.fault(
      node,
      `anonymous must be one of ${ANONYMOUS_ROLES.join(', ')} or absent, found ${JSON.stringify(role)}`,
    );
  }
  return role === null ? null : String(role);
}

function readDeadline(source: ConfigText): number | null {
  const node = source.section('deadline');
  if (node === undefined) return null;
  try {
    return readMilliseconds(source.plain(node));
  } catch (error) {
    source.fault(node, `deadline ${(error as Error).message}; example: deadline: 3s`);
    return null;
  }
}
