/** The sections `installations`, `guard` and `subgraphs` of isthmus.yaml: which systems stand where, and who speaks to them. */
import { isMap, type Node } from 'yaml';
import type { AnyConnector, AnyFamily } from '../connector.ts';
import type { InstallationConfig, ParkConfig } from './config.ts';
import type { TakeId } from './parks.ts';
import { type GuardSettings, guardSettings } from './sections/guard.ts';
import { readSettings } from './settings.ts';
import { type ConfigText, entriesOf } from './yaml-text.ts';

export type Known = readonly (AnyConnector | AnyFamily)[];

/** What is needed beside the text; `parks` are those of the same file. */
interface Around {
  readonly parks: readonly ParkConfig[];
  readonly connectors: Known;
  readonly takeId: TakeId;
  readonly guardOf: GuardOf;
}

/** The guard of an installation that says `own` of it; null: nothing is said of it anywhere, or what all have in common is wrong. */
type GuardOf = (node: Node, own: unknown, where: string) => GuardSettings | null;

/** The installations, each with its settings as its connector's declaration reads them; faults are noted in the text. */
export function readInstallations(
  text: ConfigText,
  given: Pick<Around, 'parks' | 'connectors' | 'takeId'>,
): InstallationConfig[] {
  const around = { ...given, guardOf: readGuard(text) };
  return text.list('installations').flatMap((node) => readInstallation(text, node, around) ?? []);
}

/** Reads what the section `guard` says for all, and answers how to read one installation's own over it. */
function readGuard(text: ConfigText): GuardOf {
  const read = (node: Node | undefined, raw: unknown, where: string): GuardSettings | null => {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
      text.fault(node, `${where}guard must be a mapping; example: guard: { concurrency: 8, rate: 20 }`);
      return null;
    }
    const { values, faults } = readSettings(guardSettings, raw as Record<string, unknown>);
    for (const one of faults) text.fault(node, `${where}guard: ${one.name} ${one.problem}`);
    return values;
  };
  const section = text.section('guard');
  const every = section === undefined ? {} : ((text.plain(section) ?? {}) as Record<string, unknown>);
  const isSound = section === undefined || read(section, every, '') !== null;
  return (node, own, where) =>
    !isSound || (own === undefined && section === undefined)
      ? null
      : read(node, { ...every, ...((own ?? {}) as object) }, where);
}

function readInstallation(text: ConfigText, node: Node, around: Around): InstallationConfig | null {
  const { parks, connectors, takeId, guardOf } = around;
  const raw = text.plain(node) as Record<string, unknown> | null;
  if (!isMap(node) || raw === null) {
    text.fault(
      node,
      'an installation must be a mapping; example: { id: lakeside-parking, park: lakeside, connector: parking, ... }',
    );
    return null;
  }
  const id = takeId(node, 'installation', raw['id']);
  const where = `installation ${id}: `;
  const park = String(raw['park'] ?? '');
  if (!parks.some((one) => one.id === park)) {
    text.fault(
      node,
      `${where}park must be one of ${parks.map((one) => one.id).join(', ') || '(none given)'}, found ${JSON.stringify(raw['park'] ?? null)}`,
    );
  }
  const connector = connectors.find((one) => one.name === raw['connector']);
  if (!connector) {
    text.fault(
      node,
      `${where}connector must be one of ${connectors.map((one) => one.name).join(', ')}, found ${JSON.stringify(raw['connector'] ?? null)}`,
    );
    return null;
  }
  const { id: _id, park: _park, connector: _connector, guard: ownGuard, ...rest } = raw;
  const read = readSettings(connector.settings, { ...rest }, []);
  const places = entriesOf(node);
  for (const one of read.faults) {
    const place = places.get(one.name);
    if (!text.isUnfilled(place?.value)) text.fault(place?.key ?? node, `${where}${one.name} ${one.problem}`);
  }
  if (read.values === null) return null;
  const guard = guardOf(node, ownGuard, where);
  const system = 'make' in connector ? connector.system(read.values) : null;
  const taken = system === null ? undefined : [{ name: 'hub' }, ...connectors].find((one) => one.name === system);
  if (taken) {
    text.fault(
      places.get('system')?.key ?? node,
      `${where}system ${system} is the name of a connector already; choose another`,
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

/** Connectors that live in a process of their own, by name. */
export function readSubgraphs(
  text: ConfigText,
  connectors: Known,
  installations: readonly InstallationConfig[],
): Record<string, { url: string }> {
  const section = text.section('subgraphs');
  if (section === undefined) return {};
  const subgraphs: Record<string, { url: string }> = {};
  const given = text.plain(section) as Record<string, { url?: unknown } | null> | null;
  for (const [name, value] of Object.entries(given ?? {})) {
    const url = value?.url;
    const isKnown = connectors.some((one) => one.name === name) || installations.some((one) => one.connector === name);
    if (name !== 'hub' && !isKnown) {
      text.fault(
        section,
        `subgraphs: ${name} is no connector; known are hub, ${connectors.map((one) => one.name).join(', ')}`,
      );
    } else if (typeof url !== 'string' || !/^https?:\/\//.test(url)) {
      text.fault(section, `subgraphs: ${name} needs a url; example: ${name}: { url: "http://127.0.0.1:4101" }`);
    } else subgraphs[name] = { url };
  }
  return subgraphs;
}
