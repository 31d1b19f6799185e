/**
 * What two processes on one database must have in common: parks, installations, retention. Compared by value, so comments, order and
 * spelling of the file do not matter; secrets and what is a replica's own are left out.
 */
import { createHash } from 'node:crypto';
import type { Config, InstallationConfig } from './config.ts';
import type { Setting, Settings } from './settings.ts';

/** By part, such as `installation lakeside-parking`, and by setting: a short hash of the value. */
export type Outline = Readonly<Record<string, Readonly<Record<string, string>>>>;

interface Declared {
  readonly name: string;
  readonly settings: Settings<unknown>;
}

/** The configuration's outline. `declared`: connectors and families, which say what of an installation is secret. */
export function outlineOf(config: Config, declared: readonly Declared[]): Outline {
  const parts: [string, Readonly<Record<string, unknown>>][] = [
    ...config.parks.map(({ id, ...park }) => [`park ${id}`, { ...park }] as [string, Record<string, unknown>]),
    ...config.installations.map(
      (one) => [`installation ${one.id}`, installationOf(one, declared)] as [string, Record<string, unknown>],
    ),
    ['retention', { ...config.retention }],
    // The second folder of the heads is a place on the replica's own machine.
    ['audit', { digest: config.audit.digest, retention: config.audit.retention }],
  ];
  return Object.fromEntries(
    parts.map(([name, values]) => [
      name,
      Object.fromEntries(
        Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[key, hashOf(value)]])),
      ),
    ]),
  );
}

function installationOf(one: InstallationConfig, declared: readonly Declared[]): Record<string, unknown> {
  const { park, connector, family, protocol, guard, settings } = one;
  const fields = (declared.find(({ name }) => name === (family ?? connector))?.settings.fields ?? {}) as Readonly<
    Record<string, Setting<unknown>>
  >;
  const values = Object.entries((settings ?? {}) as Record<string, unknown>).flatMap(([name, value]) => {
    const field = fields[name];
    if (field?.ownOfReplica) return [];
    return [[name, field?.secret ? addressIn(value) : withoutCredentials(value)]] as [string, unknown][];
  });
  return { park, connector, family, protocol, guard, ...Object.fromEntries(values) };
}

/** Of a secret only where it leads, if it is an address; undefined: nothing. */
function addressIn(value: unknown): string | undefined {
  const url = typeof value === 'string' && value.includes('://') && URL.canParse(value) ? new URL(value) : null;
  return url ? `${url.protocol}//${url.host}${url.pathname}` : undefined;
}

/** Addresses below without user and password. */
function withoutCredentials(value: unknown): unknown {
  if (typeof value !== 'string' || !value.includes('@') || !URL.canParse(value)) return value;
  const url = new URL(value);
  url.username = '';
  url.password = '';
  return url.href;
}

/** JSON with keys in order; maps and patterns by what they hold. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) => {
    if (one instanceof Map) return [...one];
    if (one instanceof Set) return [...one];
    if (one instanceof RegExp || typeof one === 'bigint') return String(one);
    return one !== null && typeof one === 'object' && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one;
  }) ?? 'null';

const hashOf = (value: unknown): string =>
  createHash('sha256').update(canonical(value)).digest('base64url').slice(0, 16);

/** Equal for outlines that say the same. */
export const digestOf = (outline: Outline): string => hashOf(outline);

/** What differs, in words: `only here: park hillside; different: installation lakeside-parking (url)`; of each kind a few. */
export function differences(here: Outline, there: Outline): string {
  const only = (one: Outline, other: Outline) => Object.keys(one).filter((name) => !(name in other));
  const different = Object.keys(here).flatMap((name) => {
    const [mine, theirs] = [here[name] ?? {}, there[name]];
    if (theirs === undefined) return [];
    const settings = [...new Set([...Object.keys(mine), ...Object.keys(theirs)])].filter(
      (setting) => mine[setting] !== theirs[setting],
    );
    return settings.length === 0 ? [] : [`${name} (${settings.join(', ')})`];
  });
  const kinds: [string, string[]][] = [
    ['only here', only(here, there)],
    ['only there', only(there, here)],
    ['different', different],
  ];
  return kinds
    .filter(([, names]) => names.length > 0)
    .map(([kind, names]) => `${kind}: ${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : ''}`)
    .join('; ');
}
