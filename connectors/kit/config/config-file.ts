/**
 * Reads and checks isthmus.yaml. All errors are reported at once, each with its line, the value found and an example.
 * Secrets come from the environment by ${NAME} or ${NAME:-default}.
 */
import { readFileSync } from 'node:fs';
import type { Config } from './config.ts';
import { type KnownConnectors, readInstallations, readSubgraphs } from './installations.ts';
import { createIdCheck, readParks } from './parks.ts';
import { readAudit } from './sections/audit.ts';
import { readAuth } from './sections/auth.ts';
import { readDeadline } from './sections/deadline.ts';
import { readExplorer } from './sections/explorer.ts';
import { readLimits } from './sections/limits.ts';
import { readOrigins } from './sections/origins.ts';
import { readRetention } from './sections/retention.ts';
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
/** Roles that a caller without a token may have. The developer sees invented companies only. */
const ANONYMOUS_ROLES = ['developer'];

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the file. `environment`: values of ${NAME}. Throws `ConfigError`. */
export function readConfigFile(
  file: string,
  connectors: KnownConnectors,
  environment: Environment = process.env,
): Config {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new ConfigError(file, [
      'file cannot be read; give another with --config FILE, or start from isthmus.example.yaml',
    ]);
  }
  return readConfig(text, file, connectors, environment);
}

/** Reads the text of a file. Throws `ConfigError`. */
export function readConfig(
  text: string,
  file: string,
  connectors: KnownConnectors,
  environment: Environment = process.env,
): Config {
  const source = new ConfigText(text, file, environment);
  for (const [name, { key }] of entriesOf(source.root)) {
    if (!SECTIONS.includes(name)) source.addError(key, `unknown section ${name}; sections: ${SECTIONS.join(', ')}`);
  }
  const takeId = createIdCheck(source);
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
    explorer: section(source, 'explorer', (raw, addError) => readExplorer(raw, { auth, anonymous }, addError)),
    origins: section(source, 'origins', readOrigins),
    retention: section(source, 'retention', readRetention),
    audit: section(source, 'audit', readAudit),
    deadline: source.section('deadline') === undefined ? null : section(source, 'deadline', readDeadline),
  };
  source.throwIfInvalid();
  return config;
}

/** Reads a section from plain data; its errors are reported at the line of the section. */
function section<T>(
  source: ConfigText,
  name: string,
  read: (raw: unknown, addError: (message: string) => void) => T,
): T {
  const node = source.section(name);
  return read(source.toPlain(node), (message) => source.addError(node, message));
}

function readAnonymous(source: ConfigText): string | null {
  const node = source.section('anonymous');
  const role = source.toPlain(node);
  if (role !== null && !ANONYMOUS_ROLES.includes(String(role))) {
    source.addError(
      node,
      `anonymous must be one of ${ANONYMOUS_ROLES.join(', ')} or absent, found ${JSON.stringify(role)}`,
    );
  }
  return role === null ? null : String(role);
}
