/** Checks Dockerfile and the compose files against the program: commands, options, variables, connectors, folders. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, parseDocument } from 'yaml';
import { connectors, sourceConnectors } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import { createProgram } from '../gateway/commands/program.ts';
import { gatewaySettings } from '../gateway/environment.ts';

const ROOT = join(import.meta.dirname, '..');
const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');
const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
const demoText = readFileSync(join(ROOT, 'docker-compose.demo.yml'), 'utf8');

interface Service {
  readonly image?: string;
  readonly profiles?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
  readonly ports?: readonly string[];
  readonly network_mode?: string;
  readonly healthcheck?: { readonly test: readonly string[] };
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks?: object;
  readonly volumes: object;
}
const compose = parse(text, { merge: true }) as Compose;
const demo = parse(demoText, { merge: true }) as Compose;
const ours = [...Object.entries(compose.services), ...Object.entries(demo.services)].filter(
  ([, one]) => one.image === 'isthmus',
);

/** Interpolates variables as Compose does (before profiles are applied); throws for an unset `:?` variable. */
function filled(value: string, environment: Readonly<Record<string, string>>): string {
  return value.replace(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_, name: string, kind?: string, rest = '') => {
    if (environment[name]) return environment[name];
    if (kind === '?') throw new Error(`required variable ${name} is missing a value: ${rest}`);
    return rest;
  });
}

/** Every string value of a parsed file. */
const texts = (value: unknown): string[] =>
  typeof value === 'string' ? [value] : value && typeof value === 'object' ? Object.values(value).flatMap(texts) : [];

/** Volume mounts of a service. */
const mounts = (one: Service, environment: Readonly<Record<string, string>> = {}) =>
  (one.volumes ?? []).map((volume) => {
    const [from = '', to = '', mode] = filled(volume, environment).split(':');
    return { from, to, mode };
  });

/** Environment variables that the image sets. */
const imageVariables = Object.fromEntries(
  (/^ENV (.+)$/m.exec(dockerfile)?.[1] ?? '').split(' ').map((one) => one.split('=') as [string, string]),
);

/** The smallest valid isthmus.yaml. */
const PARK = 'parks: [ { id: lakeside, name: Lakeside Software Park, region: "500112" } ]';

/** Errors of a command according to the program's own parser: unknown commands and options, missing and surplus arguments. */
function commandFaults([program, name = '', ...rest]: readonly string[]): string[] {
  const command = createProgram('0').commands.find((command) => command.name() === name);
  if (program !== 'isthmus' || !command) return [`there is no command ${program} ${name}`];
  const { operands, unknown } = command.parseOptions([...rest]);
  const all = command.registeredArguments;
  const isWrong = operands.length > all.length || operands.length < all.filter((one) => one.required).length;
  return [...unknown.map((one) => `unknown ${one}`), ...(isWrong ? [`arguments ${operands.join(' ')}`] : [])];
}

/** Every `isthmus ...` command in the files, split into words: commands of services, CMD, and those in comments. */
const commands: string[][] = [
  ...ours.map(([, one]) => [...(one.command ?? [])]),
  ...[...dockerfile.matchAll(/^CMD (\[.*\])$/gm)].map((found) => JSON.parse(found[1] as string) as string[]),
  ...[
    ...`${text}\n${demoText}\n${dockerfile}`.matchAll(
      /(?<=^#.*|\s#.*)\bisthmus ([a-z]+(?: [a-z-]+)*(?: --[a-z]+)?)$/gm,
    ),
  ].map((found) => ['isthmus', ...(found[1] as string).split(' ')]),
];

/** Names of the environment variables that the code reads. */
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
  for (const folder of ['gateway', 'connectors', 'schema']) read(join(ROOT, folder));
  return names;
}

describe('containers', () => {
  test('compose files are valid YAML and use only networks and volumes that they declare', () => {
    for (const [source, parsed] of [
      [text, compose],
      [demoText, demo],
    ] as const) {
      expect(parseDocument(source, { merge: true }).errors).toEqual([]);
      for (const [name, one] of Object.entries(parsed.services)) {
        for (const network of one.networks ?? []) expect(Object.keys(parsed.networks ?? {}), name).toContain(network);
        for (const { from } of mounts(one)) {
          if (!/^[./]/.test(from)) expect(Object.keys(parsed.volumes), name).toContain(from);
        }
      }
    }
  });

  test('every isthmus command exists, with its options and arguments', () => {
    expect(commands.length).toBeGreaterThanOrEqual(ours.length + 2);
    expect(commands.flatMap((words) => commandFaults(words).map((error) => `${words.join(' ')}: ${error}`))).toEqual(
      [],
    );
  });

  test('the configuration folder is mounted where each command reads isthmus.yaml', () => {
    const read = commands.flatMap((words) => {
      const at = words.indexOf('--config');
      return at < 0 ? [] : [words[at + 1] ?? ''];
    });
    expect(new Set(read)).toEqual(new Set(['/etc/isthmus/isthmus.yaml']));
    for (const [name, one] of ours.filter(([, each]) => each.command?.includes('--config'))) {
      const config = mounts(one).find(({ to }) => to === dirname(read[0] as string));
      expect(config, name).toEqual({ from: './config', to: '/etc/isthmus', mode: 'ro' });
      const other = mounts(one, { ISTHMUS_CONFIG: '/srv/park' }).find(({ to }) => to === '/etc/isthmus');
      expect(other?.from).toBe('/srv/park');
    }
    expect(texts([compose, demo]).filter((one) => /\.ya?ml:/.test(one))).toEqual([]);
  });

  test('absolute paths in isthmus.example.yaml are inside that folder', () => {
    const example = readFileSync(join(ROOT, 'isthmus.example.yaml'), 'utf8');
    const named = [...example.matchAll(/: (\/[\w./-]+\.\w+)/g)].map((found) => found[1] as string);
    expect(named.length).toBeGreaterThan(2);
    expect(named.filter((path) => !path.startsWith('/etc/isthmus/'))).toEqual([]);
  });

  test('services that write to the data folder have a named volume there; connectors have none', () => {
    const data = imageVariables['ISTHMUS_DATA'];
    expect(data).toBe('/data');
    expect(dockerfile).toContain(`install -d -o node -g node ${data}`);
    for (const [name, one] of ours) {
      const own = mounts(one).filter(({ to }) => to === data);
      if (one.command?.[1] === 'connector') expect(own, name).toEqual([]);
      else expect(own, name).toEqual([{ from: expect.stringMatching(/^[a-z]+$/), to: data, mode: undefined }]);
    }
    // VOLUME would create an anonymous volume per container, lost with the container.
    expect(dockerfile).not.toMatch(/^VOLUME/m);
  });

  test('no password has a default, and the demo needs none', () => {
    const secrets = texts(compose).flatMap((one) =>
      [...one.matchAll(/\$\{(\w*(?:PASSWORD|SECRET|TOKEN|KEY)\w*)(:.)?/g)].map(([, name, kind]) => ({
        one,
        name,
        kind,
      })),
    );
    expect(secrets.map(({ kind }) => kind)).toEqual(expect.arrayContaining([':?']));
    expect(secrets.filter(({ kind }) => kind !== ':?')).toEqual([]);
    for (const { one } of secrets) {
      expect(() => filled(one, {})).toThrow(/^required variable POSTGRES_PASSWORD is missing a value: put a password/);
    }
    // No URL contains a literal password either.
    expect(texts([compose, demo]).filter((one) => /:\/\/[^:/@]*:[^$@/]+@/.test(one))).toEqual([]);
    const password = 'f00dfacef00dface';
    const { hub, postgres } = compose.services;
    const set = { POSTGRES_PASSWORD: password };
    const url = new URL(filled(hub?.environment?.['DATABASE_URL'] ?? '', set));
    expect(url.password).toBe(password);
    expect(filled(postgres?.environment?.['POSTGRES_PASSWORD'] ?? '', set)).toBe(password);
    expect([url.username, url.pathname.slice(1)]).toEqual([
      postgres?.environment?.['POSTGRES_USER'],
      postgres?.environment?.['POSTGRES_DB'],
    ]);
    for (const one of texts(demo)) expect(() => filled(one, {})).not.toThrow();
  });

  test('health checks request a path that hub and connector serve, at the configured port', () => {
    const paths = ['gateway/http/server.ts', 'connectors/kit/subgraph/subgraph-server.ts'].map((file) =>
      readFileSync(join(ROOT, file), 'utf8'),
    );
    const checked = ours.filter(([, one]) => one.healthcheck);
    expect(checked.map(([name]) => name)).toContain('hub');
    for (const [name, one] of checked) {
      const [, port, path = ''] =
        /http:\/\/127\.0\.0\.1:(\d+)(\/\w+)/.exec(one.healthcheck?.test.join(' ') ?? '') ?? [];
      expect(port, name).toBe(one.environment?.['PORT']);
      for (const source of paths) expect(source).toContain(`path === '${path}'`);
    }
  });

  test('every environment variable that is set is one that the program reads', () => {
    const known = variables();
    expect(known.has('DATABASE_URL') && known.has('ISTHMUS_LOG')).toBe(true);
    for (const [name, one] of ours) {
      for (const variable of Object.keys(one.environment ?? {})) expect(known, name).toContain(variable);
    }
    // NODE_ENV belongs to Node.js and its libraries.
    const names = Object.keys(imageVariables);
    expect(names.filter((name) => name !== 'NODE_ENV' && !known.has(name ?? ''))).toEqual([]);
  });

  test('every connector has a container that matches the subgraphs lines for isthmus.yaml', () => {
    const lines = text
      .split('\n')
      .filter((line) => /^# (subgraphs:| {2}[a-z-]+: \{ url)/.test(line))
      .map((line) => line.slice(2));
    const { subgraphs } = readConfig(`${PARK}\n${lines.join('\n')}\n`, 'isthmus.yaml', sourceConnectors, {});
    expect(Object.keys(subgraphs).sort()).toEqual(connectors.map((connector) => connector.name).sort());
    for (const [name, { url }] of Object.entries(subgraphs)) {
      const { hostname, port } = new URL(url);
      const service = compose.services[hostname];
      expect(service?.command?.slice(0, 3)).toEqual(['isthmus', 'connector', name]);
      expect(service?.environment?.['PORT']).toBe(port);
      expect(service?.profiles).toEqual(['scale-out']);
    }
  });

  test('publishes only the hub, on loopback by default', () => {
    const published = Object.entries(compose.services).filter(([, one]) => one.ports);
    expect(published.map(([name]) => name)).toEqual(['hub']);
    expect(published[0]?.[1].ports?.[0]).toMatch(/^\$\{BIND:-127\.0\.0\.1\}:/);
  });

  test('the image uses Node 24, does not run as root, and copies only files that exist', () => {
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
