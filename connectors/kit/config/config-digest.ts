/**
 * Hashes of the settings that all processes on one database must share: parks, installations, retention, audit digest. Values are
 * compared, so comments, order and notation of the file do not matter. Secrets and per-replica settings are left out.
 */
import { createHash } from 'node:crypto';
import type { Config, InstallationConfig } from './config.ts';
import { guardSettings } from './sections/guard.ts';
import type { Setting, Settings } from './settings.ts';
import { DEFAULT_ZONE } from './time-zone.ts';

/** A short hash of each value, by part, such as `installation lakeside-parking`, and by setting. Stored in the database. */
export type ConfigHashes = Readonly<Record<string, Readonly<Record<string, string>>>>;

interface Declared {
  readonly name: string;
  readonly settings: Settings<unknown>;
}

/** Hashes a configuration. `declared`: connectors and families, whose declarations name the secrets. */
export function hashConfig(config: Config, declared: readonly Declared[]): ConfigHashes {
  const parts: [string, Readonly<Record<string, unknown>>][] = [
    // The zone only if it is set: replicas of the previous version do not know the setting.
    ...config.parks.map(
      ({ id, zone, ...park }) =>
        [`park ${id}`, { ...park, ...(zone === DEFAULT_ZONE ? {} : { zone }) }] as [string, Record<string, unknown>],
    ),
    ...config.installations.map(
      (installation) =>
        [`installation ${installation.id}`, sharedSettings(installation, declared)] as [
          string,
          Record<string, unknown>,
        ],
    ),
    ['retention', { ...config.retention }],
    // Left out: `heads`, a folder on the replica's own machine.
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

function sharedSettings(installation: InstallationConfig, declared: readonly Declared[]): Record<string, unknown> {
  const { park, connector, family, protocol, settings } = installation;
  const fields = (declared.find(({ name }) => name === (family ?? connector))?.settings.fields ?? {}) as Readonly<
    Record<string, Setting<unknown>>
  >;
  const values = Object.entries((settings ?? {}) as Record<string, unknown>).flatMap(([name, value]) => {
    const field = fields[name];
    if (field?.perReplica) return [];
    return [[name, field?.secret ? addressOf(value) : withoutCredentials(value)]] as [string, unknown][];
  });
  const guard = installation.guard && withFormerNames(installation.guard);
  return { park, connector, family, protocol, guard, ...Object.fromEntries(values) };
}

/** Replicas of the previous version hash the guard under the former names of its settings. */
const withFormerNames = (guard: NonNullable<InstallationConfig['guard']>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(guard).map(([name, value]) => [
      guardSettings.fields[name as keyof typeof guard]?.formerName ?? name,
      value,
    ]),
  );

/** The address part of a secret that is a URL; undefined for other secrets, which are not hashed. */
function addressOf(value: unknown): string | undefined {
  const url = typeof value === 'string' && value.includes('://') && URL.canParse(value) ? new URL(value) : null;
  return url ? `${url.protocol}//${url.host}${url.pathname}` : undefined;
}

/** A URL without user and password; other values unchanged. */
function withoutCredentials(value: unknown): unknown {
  if (typeof value !== 'string' || !value.includes('@') || !URL.canParse(value)) return value;
  const url = new URL(value);
  url.username = '';
  url.password = '';
  return url.href;
}

/** JSON with sorted keys; maps, sets and regular expressions by content. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, member: unknown) => {
    if (member instanceof Map) return [...member];
    if (member instanceof Set) return [...member];
    if (member instanceof RegExp || typeof member === 'bigint') return String(member);
    return member !== null && typeof member === 'object' && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member;
  }) ?? 'null';

const hashOf = (value: unknown): string =>
  createHash('sha256').update(canonical(value)).digest('base64url').slice(0, 16);

/** One hash of all values. */
export const configDigest = (outline: ConfigHashes): string => hashOf(outline);

/** Describes the differences: `only here: park hillside; different: installation lakeside-parking (url)`; at most ten of each kind. */
export function describeDifferences(here: ConfigHashes, there: ConfigHashes): string {
  const only = (parts: ConfigHashes, others: ConfigHashes) => Object.keys(parts).filter((name) => !(name in others));
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
