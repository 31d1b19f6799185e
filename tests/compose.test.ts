/** Dockerfile and docker-compose.yml say what the program knows: commands, options, variables, connectors. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, parseDocument } from 'yaml';
import { connectors, islands } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/host/config/index.ts';
import { gatewaySettings } from '../gateway/settings.ts';

const ROOT = join(import.meta.dirname, '..');
const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');
const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');

interface Service {
  readonly image?: string;
  readonly profiles?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
  readonly ports?: readonly string[];
  readonly network_mode?: string;
}
const compose = parse(text, { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: object;
  readonly volumes: object;
};
const ours = Object.entries(compose.services).filter(([, one]) => one.image === 'isthmus');

/** The least that isthmus.yaml must hold. */
const PARK = 'parks: [ { id: lakeside, name: Lakeside Software Park, region: "500112" } ]';

const help = new Map<string, string>();
/** What `isthmus ... --help` says; fails for a command that is none. */
function helpOf(command: string): string {
  let said = help.get(command);
  if (said === undefined) {
    const args = ['--import', 'tsx', 'gateway/cli.ts', ...(command === '' ? [] : [command]), '--help'];
    said = execFileSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
    help.set(command, said);
  }
  return said;
}

/** Every `isthmus ...` of both files, as words: commands of services, CMD, and those in comments. */
const commands: string[][] = [
  ...ours.map(([, one]) => [...(one.command ?? [])]),
  ...[...dockerfile.matchAll(/^CMD (\[.*\])$/gm)].map((found) => JSON.parse(found[1] as string) as string[]),
  ...[...`${text}\n${dockerfile}`.matchAll(/(?<=^#.*|\s#.*)\bisthmus ([a-z]+(?: [a-z-]+)*(?: --[a-z]+)?)$/gm)].map(
    (found) => ['isthmus', ...(found[1] as string).split(' ')],
  ),
];

/** Names of variables that the sources read. */
function variables(): Set<string> {
  const names = new Set(Object.keys(gatewaySettings.fields));
  const read = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) read(path);
      else if (/\.ts$/.test(path) && !/\.test\.ts$/.test(path)) {
        const source = readFileSync(path, 'utf8');
        for (const [, name] of source.matchAll(/(?:environment|process\.env)\['([A-Z_]+)'\]/g))
          names.add(name as string);
      }
    }
  };
  for (const room of ['gateway', 'connectors', 'schema']) read(join(ROOT, room));
  return names;
}

describe('containers', () => {
  test('the compose file is well formed and names only networks and volumes that it has', () => {
    expect(parseDocument(text, { merge: true }).errors).toEqual([]);
    for (const [name, one] of Object.entries(compose.services)) {
      for (const network of one.networks ?? []) expect(Object.keys(compose.networks), name).toContain(network);
      for (const volume of one.volumes ?? []) {
        const [from = ''] = volume.split(':/');
        if (!/[./$]/.test(from)) expect(Object.keys(compose.volumes), name).toContain(from);
      }
    }
  });

  test('every isthmus command is one that the program knows, with its options', () => {
    expect(commands.length).toBeGreaterThanOrEqual(ours.length + 2);
    for (const words of commands) {
      const [program, command = '', ...rest] = words;
      expect(program, words.join(' ')).toBe('isthmus');
      expect(helpOf(''), words.join(' ')).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
      for (const option of rest.filter((one) => one.startsWith('--'))) {
        expect(helpOf(command), words.join(' ')).toMatch(new RegExp(`^  ${option}\\b`, 'm'));
      }
    }
  }, 60_000);

  test('every variable that is set for the program is one that it reads', () => {
    const known = variables();
    expect(known.has('DATABASE_URL') && known.has('ISTHMUS_LOG')).toBe(true);
    for (const [name, one] of ours) {
      for (const variable of Object.keys(one.environment ?? {})) expect(known, name).toContain(variable);
    }
    // Node's own and its libraries' name stands beside ours.
    const [, set = ''] = /^ENV (.+)$/m.exec(dockerfile) ?? [];
    const names = set.split(' ').map((one) => one.split('=')[0]);
    expect(names.filter((one) => one !== 'NODE_ENV' && !known.has(one ?? ''))).toEqual([]);
  });

  test('every connector has a container, and the lines for isthmus.yaml lead to it', () => {
    const lines = text
      .split('\n')
      .filter((line) => /^# (subgraphs:| {2}[a-z-]+: \{ url)/.test(line))
      .map((line) => line.slice(2));
    const { subgraphs } = readConfig(`${PARK}\n${lines.join('\n')}\n`, 'isthmus.yaml', islands, {});
    expect(Object.keys(subgraphs).sort()).toEqual(connectors.map((one) => one.name).sort());
    for (const [name, { url }] of Object.entries(subgraphs)) {
      const { hostname, port } = new URL(url);
      const service = compose.services[hostname];
      expect(service?.command?.slice(0, 3)).toEqual(['isthmus', 'connector', name]);
      expect(service?.environment?.['PORT']).toBe(port);
      expect(service?.profiles).toEqual(['scale-out']);
    }
  });

  test('only the hub is published, on loopback unless told otherwise; connectors take unsigned callers', () => {
    const published = Object.entries(compose.services).filter(([, one]) => one.ports);
    expect(published.map(([name]) => name)).toEqual(['hub']);
    expect(published[0]?.[1].ports?.[0]).toMatch(/^\$\{BIND:-127\.0\.0\.1\}:/);
  });

  test('the image is of Node 24, does not run as root, and copies what there is', () => {
    const from = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map((found) => found[1]);
    expect(from).toEqual(['node:24-bookworm-slim', 'node:24-bookworm-slim']);
    expect(/^USER (\S+)$/m.exec(dockerfile)?.[1]).toBe('node');
    const copied = [...dockerfile.matchAll(/^COPY --from=build (.+) \S+$/gm)]
      .flatMap((found) => (found[1] as string).split(' '))
      .map((path) => path.replace('/isthmus/', ''));
    expect(copied.length).toBeGreaterThan(5);
    for (const path of copied.filter((one) => one !== 'dist')) expect(existsSync(join(ROOT, path)), path).toBe(true);
  });
});
