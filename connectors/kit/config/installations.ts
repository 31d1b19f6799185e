/** The sections `installations`, `guard` and `subgraphs` of isthmus.yaml. */
import { isMap, type Node } from 'yaml';
import type { AnyConnector, AnyConnectorFamily } from '../connector.ts';
import type { InstallationConfig, ParkConfig } from './config.ts';
import type { CheckId } from './parks.ts';
import { type GuardSettings, guardSettings } from './sections/guard.ts';
import { readSettings, withCurrentNames } from './settings.ts';
import { type ConfigText, entriesOf } from './yaml-text.ts';

/** Connectors and connector families that isthmus.yaml may name. */
export type KnownConnectors = readonly (AnyConnector | AnyConnectorFamily)[];

interface Context {
  readonly parks: readonly ParkConfig[];
  readonly connectors: KnownConnectors;
  readonly takeId: CheckId;
  readonly guardOf: GuardOf;
}

/** Reads the guard of one installation, whose own settings are `own`; null when nothing is set, or the section `guard` is invalid. */
type GuardOf = (node: Node, own: unknown, where: string) => GuardSettings | null;

/** Reads the installations with the settings of their connectors; errors are added to `text`. */
export function readInstallations(text: ConfigText, given: Omit<Context, 'guardOf'>): InstallationConfig[] {
  const context = { ...given, guardOf: readGuard(text) };
  return text.list('installations').flatMap((node) => readInstallation(text, node, context) ?? []);
}

/** Reads the section `guard`, and returns the reader of an installation's own guard, which overrides single settings of the section. */
function readGuard(text: ConfigText): GuardOf {
  const read = (node: Node | undefined, raw: unknown, where: string): GuardSettings | null => {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
      text.addError(node, `${where}guard must be a mapping; example: guard: { concurrency: 8, rate: 20 }`);
      return null;
    }
    const { values, errors } = readSettings(guardSettings, raw as Record<string, unknown>);
    for (const { name, problem } of errors) text.addError(node, `${where}guard: ${name} ${problem}`);
    return values;
  };
  const section = text.section('guard');
  const shared = section === undefined ? {} : ((text.toPlain(section) ?? {}) as Record<string, unknown>);
  const isValid = section === undefined || read(section, shared, '') !== null;
  const current = (raw: unknown) => withCurrentNames(guardSettings, (raw ?? {}) as Record<string, unknown>);
  return (node, own, where) =>
    !isValid || (own === undefined && section === undefined)
      ? null
      : read(node, { ...current(shared), ...current(own) }, where);
}

function readInstallation(text: ConfigText, node: Node, context: Context): InstallationConfig | null {
  const { parks, connectors, takeId, guardOf } = context;
  const raw = text.toPlain(node) as Record<string, unknown> | null;
  if (!isMap(node) || raw === null) {
    text.addError(
      node,
      'an installation must be a mapping; example: { id: lakeside-parking, park: lakeside, connector: parking, ... }',
    );
    return null;
  }
  const id = takeId(node, 'installation', raw['id']);
  const where = `installation ${id}: `;
  const park = String(raw['park'] ?? '');
  if (!parks.some(({ id }) => id === park)) {
    text.addError(
      node,
      `${where}park must be one of ${parks.map(({ id }) => id).join(', ') || '(none configured)'}, found ${JSON.stringify(raw['park'] ?? null)}`,
    );
  }
  const connector = connectors.find(({ name }) => name === raw['connector']);
  if (!connector) {
    text.addError(
      node,
      `${where}connector must be one of ${connectors.map(({ name }) => name).join(', ')}, found ${JSON.stringify(raw['connector'] ?? null)}`,
    );
    return null;
  }
  const { id: _id, park: _park, connector: _connector, guard: ownGuard, ...rest } = raw;
  const read = readSettings(connector.settings, rest);
  const entries = entriesOf(node);
  for (const { name, problem } of read.errors) {
    const entry = entries.get(name);
    if (!text.hasMissingVariable(entry?.value)) text.addError(entry?.key ?? node, `${where}${name} ${problem}`);
  }
  if (read.values === null) return null;
  const guard = guardOf(node, ownGuard, where);
  const system = 'createConnector' in connector ? connector.connectorName(read.values) : null;
  const existing = system === null ? undefined : [{ name: 'hub' }, ...connectors].find(({ name }) => name === system);
  if (existing) {
    text.addError(
      entries.get('system')?.key ?? node,
      `${where}system ${system} is already the name of a connector; choose another name`,
    );
  }
  return {
    id,
    park,
    connector: system ?? connector.name,
    ...(system === null ? {} : { family: connector.name }),
    settings: read.values,
    protocol: connector.protocol(read.values),
    ...(guard ? { guard } : {}),
  };
}

/** Reads the connectors that run in their own process, by name. */
export function readSubgraphs(
  text: ConfigText,
  connectors: KnownConnectors,
  installations: readonly InstallationConfig[],
): Record<string, { url: string }> {
  const section = text.section('subgraphs');
  if (section === undefined) return {};
  const subgraphs: Record<string, { url: string }> = {};
  const given = text.toPlain(section) as Record<string, { url?: unknown } | null> | null;
  for (const [name, value] of Object.entries(given ?? {})) {
    const url = value?.url;
    const isKnown =
      connectors.some((connector) => connector.name === name) || installations.some((one) => one.connector === name);
    if (name !== 'hub' && !isKnown) {
      text.addError(
        section,
        `subgraphs: unknown connector ${name}; connectors: hub, ${connectors.map(({ name }) => name).join(', ')}`,
      );
    } else if (typeof url !== 'string' || !/^https?:\/\//.test(url)) {
      text.addError(section, `subgraphs: ${name} needs a URL; example: ${name}: { url: "http://127.0.0.1:4101" }`);
    } else subgraphs[name] = { url };
  }
  return subgraphs;
}
