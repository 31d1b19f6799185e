/**
 * isthmus.yaml: parks, installations, remote subgraphs. Read and checked as a whole; every fault is named at once, with its
 * line, what was found and an example. Secrets come from the environment by ${NAME}, with ${NAME:-default} where one is given.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isMap, isScalar, isSeq, LineCounter, type Node, type ParsedNode, parseDocument, type YAMLMap } from 'yaml';
import { type AuditConfig, NO_AUDIT, readAudit } from '../audit.ts';
import { type AuthConfig, NO_AUTH, readAuth } from '../auth.ts';
import type { AnyConnector, AnyFamily } from '../connector.ts';
import { isRegionCode } from '../identifiers.ts';
import { DEFAULT_LIMITS, type Limits, readLimits } from '../limits.ts';
import { NO_RETENTION, type Retention, readRetention } from '../retention.ts';
import { readMilliseconds, readSettings } from '../settings.ts';
import { type GuardSettings, guardSettings } from './guarded.ts';

export interface ParkConfig {
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly kind: string | null;
  readonly function: string | null;
  readonly ledBy: string | null;
  readonly level: string | null;
  readonly buildings: readonly BuildingConfig[];
}

export interface BuildingConfig {
  readonly id: string;
  readonly name: string;
  readonly floorArea: string | null;
  /** Codes by which legacy systems call it. */
  readonly known: readonly string[];
}

export interface InstallationConfig {
  readonly id: string;
  readonly park: string;
  /** Name of the connector; of one made from configuration, the system that the installation names. */
  readonly connector: string;
  /** Name of the family that makes the connector; absent: it is written in code. */
  readonly family?: string;
  /** As the connector's declaration read them. */
  readonly settings: unknown;
  readonly protocol: string;
  /** Limits and times of its guard; absent: the defaults. */
  readonly guard?: GuardSettings;
}

export interface Config {
  readonly file: string;
  readonly parks: readonly ParkConfig[];
  readonly installations: readonly InstallationConfig[];
  /** Connectors that live in a process of their own, by name. */
  readonly subgraphs: Readonly<Record<string, { readonly url: string }>>;
  /** Whose tokens are taken. */
  readonly auth: AuthConfig;
  /** The role of a caller from this machine without a token; null: such a caller is nobody. */
  readonly anonymous: string | null;
  /** What documents, operations and callers may use. */
  readonly limits: Limits;
  /** How long the hub keeps what it writes itself. */
  readonly retention: Retention;
  /** How the audit log is written and kept. */
  readonly audit: AuditConfig;
  /** How long one operation may take, in milliseconds; null: the default. */
  readonly deadline: number | null;
}

/** The file cannot be used; the message names every fault. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly faults: readonly string[];
  constructor(file: string, faults: readonly string[]) {
    const head = `${file} has ${faults.length === 1 ? 'one fault' : `${faults.length} faults`}:`;
    super([head, ...faults.map((fault) => `  - ${fault}`)].join('\n'));
    this.faults = faults;
  }
}

const PARK_WORDS = {
  kind: 'SOFTWARE LOGISTICS CHEMICAL CULTURAL_CREATIVE HIGH_TECH FILM_TELEVISION MEDICAL ANIMATION MIXED'.split(' '),
  function: 'MANUFACTURING WAREHOUSING COMMERCIAL COMPREHENSIVE'.split(' '),
  ledBy: 'GOVERNMENT REAL_ESTATE LARGE_ENTERPRISE SMALL_MICRO'.split(' '),
  level: 'NATIONAL_ECONOMIC NATIONAL_HIGH_TECH PROVINCIAL OTHER'.split(' '),
} as const;

const ID = /^[a-z0-9][a-z0-9-]{0,62}$/;
const TOP = [
  'parks',
  'installations',
  'subgraphs',
  'auth',
  'anonymous',
  'limits',
  'retention',
  'audit',
  'guard',
  'deadline',
];
/** Roles that a caller without a token may have: one that sees invented companies only. */
const ANONYMOUS_ROLES = ['developer'];

/** Reads the file; throws `ConfigError`. `environment` gives the values of ${NAME}. */
export function readConfigFile(
  file: string,
  connectors: readonly (AnyConnector | AnyFamily)[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Config {
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

/** Reads the text of a file; throws `ConfigError`. Paths in settings are relative to the file's folder (setting `$folder`). */
export function readConfig(
  text: string,
  file: string,
  connectors: readonly (AnyConnector | AnyFamily)[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Config {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, keepSourceTokens: false });
  const faults: { line: number; text: string }[] = [];
  const lineOf = (node: Node | null | undefined): number => (node?.range ? lines.linePos(node.range[0]).line : 1);
  const fault = (node: Node | null | undefined, sentence: string) =>
    faults.push({ line: lineOf(node), text: sentence });
  for (const error of document.errors) {
    faults.push({ line: error.linePos?.[0].line ?? 1, text: `is not YAML: ${error.message.split('\n')[0]}` });
  }
  const finish = (config: Config): Config => {
    if (faults.length === 0) return config;
    const sorted = [...faults].sort((a, b) => a.line - b.line);
    throw new ConfigError(
      file,
      sorted.map((one) => `line ${one.line}: ${one.text}`),
    );
  };
  const empty: Config = {
    file,
    parks: [],
    installations: [],
    subgraphs: {},
    auth: NO_AUTH,
    limits: DEFAULT_LIMITS,
    anonymous: null,
    retention: NO_RETENTION,
    audit: NO_AUDIT,
    deadline: null,
  };
  const root = document.contents;
  if (faults.length > 0) return finish(empty);
  if (!isMap(root)) {
    fault(root, 'must be a mapping with parks and installations; see isthmus.example.yaml');
    return finish(empty);
  }

  /** Nodes that name something the environment lacks: told once, not a second time as a wrong value. */
  const unfilled = new Set<unknown>();
  /** The plain value of a node with ${NAME} filled in. */
  const plain = (node: Node | null | undefined): unknown => {
    if (isMap(node)) {
      return Object.fromEntries(
        node.items.map((pair) => [String((pair.key as Node).toJSON()), plain(pair.value as Node)]),
      );
    }
    if (isSeq(node)) return node.items.map((item) => plain(item as Node));
    if (!isScalar(node)) return null;
    if (typeof node.value !== 'string') return node.value;
    return node.value.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g, (_, name: string, fallback?: string) => {
      const value = environment[name] || fallback;
      if (value !== undefined) return value;
      unfilled.add(node);
      fault(
        node,
        `names \${${name}}, but the environment has no ${name}; example: ${name}=... in the shell that starts the hub`,
      );
      return `\${${name}}`;
    });
  };
  const mapOf = (node: unknown): YAMLMap<ParsedNode, ParsedNode | null> | null =>
    isMap(node) ? (node as YAMLMap<ParsedNode, ParsedNode | null>) : null;
  const entries = (node: YAMLMap<ParsedNode, ParsedNode | null>) =>
    new Map(
      node.items.map((pair) => [
        String(pair.key.toJSON()),
        { key: pair.key as Node, value: pair.value as Node | null },
      ]),
    );
  const listOf = (name: string): Node[] => {
    const node = root.get(name, true) as Node | undefined;
    if (node === undefined || (isScalar(node) && node.value === null)) return [];
    if (isSeq(node)) return node.items as Node[];
    fault(node, `${name} must be a list; example: ${name}: [ { id: lakeside, ... } ]`);
    return [];
  };

  for (const { key } of entries(mapOf(root) as never).values()) {
    const name = String((key as Node).toJSON());
    if (!TOP.includes(name)) fault(key, `${name} is not known here; known are ${TOP.join(', ')}`);
  }

  const parks: ParkConfig[] = [];
  const seen = new Map<string, string>();
  const takeId = (node: Node, what: string, id: unknown): string => {
    const idText = String(id ?? '');
    if (!ID.test(idText)) {
      fault(
        node,
        `the id of a ${what} must be lower-case letters, digits and hyphens, found ${JSON.stringify(id ?? null)}; example: id: lakeside`,
      );
    } else if (seen.has(`${what} ${idText}`)) fault(node, `two ${what}s have the id ${idText}`);
    seen.set(`${what} ${idText}`, idText);
    return idText;
  };
  for (const node of listOf('parks')) {
    const raw = plain(node) as Record<string, unknown> | null;
    if (!isMap(node) || raw === null) {
      fault(
        node,
        'a park must be a mapping; example: { id: lakeside, name: Lakeside Software Park, region: "500112" }',
      );
      continue;
    }
    const known = ['id', 'name', 'region', 'buildings', ...Object.keys(PARK_WORDS)];
    for (const name of Object.keys(raw)) {
      if (!known.includes(name)) fault(node, `${name} is not known of a park; known are ${known.join(', ')}`);
    }
    const id = takeId(node, 'park', raw['id']);
    if (typeof raw['name'] !== 'string') fault(node, `park ${id} has no name; example: name: Lakeside Software Park`);
    if (!isRegionCode(String(raw['region'] ?? ''))) {
      fault(
        node,
        `park ${id}: region must be six digits of GB/T 2260, found ${JSON.stringify(raw['region'] ?? null)}; example: region: "500112"`,
      );
    }
    const word = (name: keyof typeof PARK_WORDS): string | null => {
      const value = raw[name];
      if (value === undefined || value === null) return null;
      if (!PARK_WORDS[name].includes(String(value))) {
        fault(
          node,
          `park ${id}: ${name} must be one of ${PARK_WORDS[name].join(', ')}, found ${JSON.stringify(value)}`,
        );
      }
      return String(value);
    };
    const buildingNodes = (node as unknown as YAMLMap).get('buildings', true) as Node | undefined;
    const buildings: BuildingConfig[] = [];
    if (buildingNodes !== undefined && !isSeq(buildingNodes))
      fault(buildingNodes, `park ${id}: buildings must be a list`);
    for (const item of isSeq(buildingNodes) ? (buildingNodes.items as Node[]) : []) {
      const one = plain(item) as Record<string, unknown> | null;
      if (!isMap(item) || one === null) {
        fault(
          item,
          'a building must be a mapping; example: { id: lakeside-b01, name: Tower 1, floorArea: "12000", known: [B01] }',
        );
        continue;
      }
      const area = one['floorArea'];
      if (area != null && !/^\d+(\.\d+)?$/.test(String(area))) {
        fault(item, `floorArea must be square metres such as "12000.5", found ${JSON.stringify(area)}`);
      }
      buildings.push({
        id: takeId(item, 'building', one['id']),
        name: String(one['name'] ?? one['id'] ?? ''),
        floorArea: area == null ? null : String(area),
        known: Array.isArray(one['known']) ? one['known'].map(String) : [],
      });
    }
    parks.push({
      id,
      name: String(raw['name'] ?? id),
      region: String(raw['region'] ?? ''),
      kind: word('kind'),
      function: word('function'),
      ledBy: word('ledBy'),
      level: word('level'),
      buildings,
    });
  }
  if (listOf('parks').length === 0) {
    fault(
      root,
      'parks is missing or empty; example: parks: [ { id: lakeside, name: Lakeside Software Park, region: "500112" } ]',
    );
  }

  const guardNode = root.get('guard', true) as Node | undefined;
  const guardOf = (node: Node | undefined, raw: unknown, where: string): GuardSettings | null => {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
      fault(node, `${where}guard must be a mapping; example: guard: { concurrency: 8, rate: 20 }`);
      return null;
    }
    const read = readSettings(guardSettings, raw as Record<string, unknown>);
    for (const one of read.faults) fault(node, `${where}guard: ${one.name} ${one.problem}`);
    return read.values;
  };
  const everyGuard = guardNode === undefined ? {} : ((plain(guardNode) ?? {}) as Record<string, unknown>);
  const soundGuard = guardNode === undefined || guardOf(guardNode, everyGuard, '') !== null;

  const installations: InstallationConfig[] = [];
  for (const node of listOf('installations')) {
    const raw = plain(node) as Record<string, unknown> | null;
    if (!isMap(node) || raw === null) {
      fault(
        node,
        'an installation must be a mapping; example: { id: lakeside-parking, park: lakeside, connector: parking, ... }',
      );
      continue;
    }
    const id = takeId(node, 'installation', raw['id']);
    const park = String(raw['park'] ?? '');
    if (!parks.some((one) => one.id === park)) {
      fault(
        node,
        `installation ${id}: park must be one of ${parks.map((one) => one.id).join(', ') || '(none given)'}, found ${JSON.stringify(raw['park'] ?? null)}`,
      );
    }
    const connector = connectors.find((one) => one.name === raw['connector']);
    if (!connector) {
      fault(
        node,
        `installation ${id}: connector must be one of ${connectors.map((one) => one.name).join(', ')}, found ${JSON.stringify(raw['connector'] ?? null)}`,
      );
      continue;
    }
    const { id: _id, park: _park, connector: _connector, guard: ownGuard, ...rest } = raw;
    const read = readSettings(connector.settings, { ...rest }, []);
    const places = entries(mapOf(node) as never);
    for (const one of read.faults) {
      const place = places.get(one.name);
      if (!unfilled.has(place?.value)) fault(place?.key ?? node, `installation ${id}: ${one.name} ${one.problem}`);
    }
    if (read.values === null) continue;
    const guard =
      !soundGuard || (ownGuard === undefined && guardNode === undefined)
        ? null
        : guardOf(node, { ...everyGuard, ...((ownGuard ?? {}) as object) }, `installation ${id}: `);
    const system = 'make' in connector ? connector.system(read.values) : null;
    const taken = system === null ? undefined : [{ name: 'hub' }, ...connectors].find((one) => one.name === system);
    if (taken) {
      fault(
        places.get('system')?.key ?? node,
        `installation ${id}: system ${system} is the name of a connector already; choose another`,
      );
    }
    installations.push({
      id,
      park,
      connector: system ?? connector.name,
      ...(system === null ? {} : { family: connector.name }),
      settings: read.values,
      protocol: connector.protocol(read.values),
      ...(guard ? { guard } : {}),
    });
  }

  const subgraphs: Record<string, { url: string }> = {};
  const remote = root.get('subgraphs', true) as Node | undefined;
  if (remote !== undefined) {
    const given = plain(remote) as Record<string, { url?: unknown } | null> | null;
    for (const [name, value] of Object.entries(given ?? {})) {
      const url = value?.url;
      const isKnown =
        connectors.some((one) => one.name === name) || installations.some((one) => one.connector === name);
      if (name !== 'hub' && !isKnown) {
        fault(
          remote,
          `subgraphs: ${name} is no connector; known are hub, ${connectors.map((one) => one.name).join(', ')}`,
        );
      } else if (typeof url !== 'string' || !/^https?:\/\//.test(url)) {
        fault(remote, `subgraphs: ${name} needs a url; example: ${name}: { url: "http://127.0.0.1:4101" }`);
      } else subgraphs[name] = { url };
    }
  }
  const authNode = root.get('auth', true) as Node | undefined;
  const auth = readAuth(plain(authNode), (sentence) => fault(authNode, sentence));
  const limitsNode = root.get('limits', true) as Node | undefined;
  const limits = readLimits(plain(limitsNode), (sentence) => fault(limitsNode, sentence));
  const anonymous = plain(root.get('anonymous', true) as Node | undefined);
  if (anonymous !== null && !ANONYMOUS_ROLES.includes(String(anonymous))) {
    fault(
      root.get('anonymous', true) as Node,
      `anonymous must be one of ${ANONYMOUS_ROLES.join(', ')} or absent, found ${JSON.stringify(anonymous)}`,
    );
  }
  const retentionNode = root.get('retention', true) as Node | undefined;
  const retention = readRetention(plain(retentionNode), (sentence) => fault(retentionNode, sentence));
  const auditNode = root.get('audit', true) as Node | undefined;
  const audit = readAudit(plain(auditNode), (sentence) => fault(auditNode, sentence));
  const deadlineNode = root.get('deadline', true) as Node | undefined;
  let deadline: number | null = null;
  if (deadlineNode !== undefined) {
    try {
      deadline = readMilliseconds(plain(deadlineNode));
    } catch (error) {
      fault(deadlineNode, `deadline ${(error as Error).message}; example: deadline: 3s`);
    }
  }
  return finish({
    audit,
    file,
    parks,
    installations,
    subgraphs,
    auth,
    limits,
    anonymous: anonymous === null ? null : String(anonymous),
    retention,
    deadline,
  });
}

/** A path of a setting, relative to the folder of isthmus.yaml. */
export const besideFile = (file: string, path: string): string => resolve(dirname(file), path);
