/** A whole hub on free ports, embedded or scale-out, over simulators of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { parse, stringify } from 'yaml';
import { configurable, connectors } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import { makeLog } from '../connectors/kit/log.ts';
import { type Chaos, chaosProxy, type Fault } from '../connectors/kit/testing/chaos-proxy.ts';
import { world } from '../connectors/kit/testing/park/index.ts';
import type { Running, Simulator } from '../connectors/kit/testing/simulator.ts';
import { freshDatabase } from '../connectors/kit/testing/test-database.ts';
import { SIMULATORS, simulatorNames } from '../connectors/simulators.ts';
import { type Hub, start } from '../gateway/main.ts';
import { freePort } from '../schema/database/embedded/free-port.ts';

export type Form = 'embedded' | 'scale-out';
export const FORMS: readonly Form[] = ['embedded', 'scale-out'];
const ROOT = join(import.meta.dirname, '..');

// biome-ignore lint/suspicious/noExplicitAny: answers are read by path
type Data = any;

export interface Answer {
  readonly data?: Data;
  readonly errors?: { message: string; path?: (string | number)[]; extensions: Record<string, unknown> }[];
  readonly extensions?: Data;
}

/** Who asks, and what for besides data. */
export interface Asking {
  readonly token?: string;
  readonly extensions?: Record<string, unknown>;
}

export interface WholeHub {
  readonly url: string;
  readonly hub: Hub;
  readonly log: string[];
  readonly world: ReturnType<typeof world>;
  /** What the simulators of the second park hold. */
  readonly secondWorld: ReturnType<typeof world> | null;
  /** Folder of the hub's keys. */
  readonly data: string;
  /** Holds a folder per simulator, with its journal. */
  readonly directory: string;
  readonly databaseUrl: string;
  ask(query: string, variables?: Record<string, unknown>, by?: Asking): Promise<Answer>;
  /** Deliveries of a subscription; `stop` ends it. */
  listen(query: string, variables?: Record<string, unknown>, token?: string): { deliveries: Data[]; stop(): void };
  stopSimulator(name: string): Promise<void>;
  startSimulator(name: string): Promise<void>;
  /** Kills the connector's own process (scale-out), by SIGKILL. */
  killConnector(name: string): Promise<void>;
  /** Starts it again; resolves when it listens. */
  startConnector(name: string): Promise<void>;
  /** From now on this is done to all connections between hub and island. */
  chaos(island: string, fault: Fault | null): Promise<void>;
  /** How often the present fault has been at work between hub and island. */
  hurt(island: string): number;
  /** Stops the hub and starts it again on the same database; `between` is done meanwhile. */
  restart(between: () => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

/** Waits until `test` answers something truthy; fails with `what` after `seconds`. */
export async function until<T>(what: string, seconds: number, test: () => Promise<T> | T): Promise<NonNullable<T>> {
  const end = Date.now() + seconds * 1000;
  let last: unknown;
  for (;;) {
    try {
      const value = await test();
      if (value) return value as NonNullable<T>;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what} did not happen within ${seconds} s`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The operation files of the explorer, by name. */
export const operation = (name: string): string =>
  readFileSync(join(ROOT, 'gateway', 'explorer', 'operations', `${name}.graphql`), 'utf8');

/** How a whole hub differs from the demo. */
export interface WholeHubOptions {
  /** Nothing happens in the park, and after its first round no source is looked at again: what a question costs can be counted. */
  readonly quiet?: boolean;
  /** Puts a chaos proxy before each port that the hub calls; `chaos` then does something. */
  readonly chaos?: { readonly latency: number; readonly drip: number };
  /** Changes the text of isthmus.yaml. */
  readonly settings?: (text: string) => string;
  /** A second park beside the demo's, with simulators of its own that hold other companies, people and cars. */
  readonly secondPark?: string;
  /** Connections of the hub to its database. */
  readonly pool?: number;
  /** Faults that stand before the hub begins. */
  readonly before?: Readonly<Record<string, Fault>>;
}

/** The demo's park and installations once more, under another name. */
function withSecondPark(text: string, id: string): string {
  const { parks, installations, ...rest } = parse(text) as { parks: unknown[]; installations: unknown[] };
  const renamed = (list: unknown[]): unknown[] =>
    JSON.parse(JSON.stringify(list).replaceAll('lakeside', id).replaceAll('LAKESIDE', id.toUpperCase()));
  return stringify({
    parks: [...parks, ...renamed(parks)],
    installations: [...installations, ...renamed(installations)],
    ...rest,
  });
}

export async function wholeHub(form: Form, options: WholeHubOptions = {}): Promise<WholeHub> {
  const { quiet = false } = options;
  const directory = mkdtempSync(join(tmpdir(), `isthmus-${form}-`));
  // As root the simulator's database runs as another user, who must be able to pass.
  chmodSync(directory, 0o711);
  const log: string[] = [];
  const demo = world();
  const running = new Map<string, Running>();
  const known = new Map<string, Simulator>();
  const ports = new Map<string, Record<string, number>>();
  const children = new Map<string, ChildProcess>();
  const startSimulator = async (name: string, of = demo, key = name) => {
    const simulator =
      known.get(name) ??
      (await (SIMULATORS as Record<string, () => Promise<{ simulator: Simulator }>>)[name]?.())?.simulator;
    if (!simulator) throw new Error(`There is no simulator ${name}.`);
    known.set(name, simulator);
    const folder = join(directory, key);
    mkdirSync(folder, { recursive: true });
    const kept = ports.get(key);
    const one = await simulator.start({
      directory: folder,
      world: of,
      now: () => new Date(),
      history: 2 * 86_400_000,
      live: !quiet,
      ...(kept ? { ports: kept } : {}),
    });
    ports.set(key, one.ports);
    running.set(key, one);
  };
  const second = options.secondPark === undefined ? null : { id: options.secondPark, world: world(options.secondPark) };
  await Promise.all([
    ...simulatorNames().map((name) => startSimulator(name)),
    ...(second ? simulatorNames().map((name) => startSimulator(name, second.world, join(second.id, name))) : []),
  ]);

  const port = await freePort();
  const environment: Record<string, string> = { PORT: String(port) };
  const proxies = new Map<string, Chaos[]>();
  for (const [name, one] of running) {
    const env = { ...one.env };
    for (const target of options.chaos ? Object.values(one.ports) : []) {
      const mark = `127.0.0.1:${target}`;
      const named = Object.keys(env).filter((key) => env[key]?.includes(mark));
      if (named.length === 0 || !options.chaos) continue;
      const proxy = await chaosProxy({ target: { host: '127.0.0.1', port: target }, ...options.chaos });
      proxies.set(name, [...(proxies.get(name) ?? []), proxy]);
      for (const key of named) env[key] = env[key]?.replace(mark, `127.0.0.1:${proxy.port}`) as string;
    }
    // The simulators of the second park name themselves as the demo's do.
    const own = second && name.startsWith(join(second.id, '/'));
    for (const [key, value] of Object.entries(env)) {
      environment[own ? key.replace(/^LAKESIDE_/, `${second.id.toUpperCase()}_`) : key] = value;
    }
  }
  const chaos = async (island: string, fault: Fault | null): Promise<void> => {
    const all = proxies.get(island);
    if (!all) throw new Error(`No proxy stands before ${island}.`);
    await Promise.all(all.map((proxy) => proxy.set(fault)));
  };
  for (const [island, fault] of Object.entries(options.before ?? {})) await chaos(island, fault);
  const database = await freshDatabase();
  // Descriptions lie beside the file that names them, and this one is a copy elsewhere.
  let text = readFileSync(join(ROOT, 'isthmus.demo.yaml'), 'utf8').replace(/openapi: /g, `openapi: ${ROOT}/`);
  if (second) text = withSecondPark(text, second.id);
  if (options.settings) text = options.settings(text);
  if (quiet) {
    text = text
      .replace(/^( +)(poll|sync|follow): .*$/gm, '$1$2: 1h')
      .replace(/\bevery: \w+/g, 'every: 1h')
      .replace(/^( +)connector: (parking|access-control)$/gm, '$1connector: $2\n$1poll: 1h');
  }
  if (form === 'scale-out') {
    const remote: string[] = [];
    for (const connector of connectors) {
      const own = await freePort();
      remote.push(`  ${connector.name}: { url: "http://127.0.0.1:${own}" }`);
      environment[`PORT_${connector.name}`] = String(own);
    }
    text += `\nsubgraphs:\n${remote.join('\n')}\n`;
  }
  const file = join(directory, 'isthmus.yaml');
  writeFileSync(file, text);
  const startConnector = async (name: string): Promise<void> => {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', join(ROOT, 'gateway', 'cli.ts'), 'connector', name, '--config', file],
      {
        cwd: ROOT,
        env: {
          ...process.env,
          ...environment,
          PORT: environment[`PORT_${name}`],
          HUB_PORT: String(port),
          DATABASE_URL: database.url,
          ISTHMUS_DATA: join(directory, 'data'),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    child.stdout.on('data', (part: Buffer) => log.push(`${name}: ${part.toString().trim()}`));
    child.stderr.on('data', (part: Buffer) => log.push(`${name}: ${part.toString().trim()}`));
    children.set(name, child);
    await until(
      `the connector ${name}`,
      120,
      async () => (await fetch(`http://127.0.0.1:${environment[`PORT_${name}`]}/healthz`)).ok,
    );
  };
  if (form === 'scale-out') {
    await Promise.all(connectors.map(({ name }) => startConnector(name))).catch((error: Error) => {
      throw new Error(`${error.message}\n${log.slice(-20).join('\n')}`, { cause: error });
    });
  }
  const config = readConfig(text, file, configurable, { ...environment, HUB_PORT: String(port) });
  const raise = (): Promise<Hub> =>
    start({
      config,
      host: '127.0.0.1',
      port,
      data: join(directory, 'data'),
      databaseUrl: database.url,
      log: makeLog((line) => log.push(line)),
      ...(options.pool === undefined ? {} : { pool: options.pool }),
      ...(quiet ? { pace: { checkUp: 3_600_000 } } : {}),
    });
  let hub = await raise();
  const url = `http://127.0.0.1:${port}`;
  const clients: { dispose(): void | Promise<void> }[] = [];
  const socketsOf = (connectionParams: Record<string, unknown>) => {
    const made = createClient({
      url: `ws://127.0.0.1:${port}/graphql`,
      webSocketImpl: WebSocket,
      lazy: true,
      retryAttempts: 0,
      connectionParams,
    });
    clients.push(made);
    return made;
  };
  const sockets = socketsOf({});

  return {
    url,
    get hub() {
      return hub;
    },
    log,
    world: demo,
    secondWorld: second?.world ?? null,
    data: join(directory, 'data'),
    directory,
    databaseUrl: database.url,
    ask: async (query, variables, by = {}) => {
      const answer = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(by.token ? { authorization: `Bearer ${by.token}` } : {}),
        },
        body: JSON.stringify({ query, variables, ...(by.extensions ? { extensions: by.extensions } : {}) }),
      });
      return (await answer.json()) as Answer;
    },
    listen: (query, variables, token) => {
      const deliveries: Data[] = [];
      const own = token ? socketsOf({ authorization: `Bearer ${token}` }) : sockets;
      const stop = own.subscribe(
        { query, variables: variables ?? {} },
        {
          next: (one) => deliveries.push(one),
          error: (error) => deliveries.push({ error }),
          complete: () => undefined,
        },
      );
      return { deliveries, stop };
    },
    stopSimulator: async (name) => {
      await running.get(name)?.close();
      running.delete(name);
    },
    startSimulator: (name) => startSimulator(name),
    killConnector: async (name) => {
      const child = children.get(name);
      if (!child) throw new Error(`The connector ${name} has no process of its own.`);
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    },
    startConnector,
    chaos,
    hurt: (island) => (proxies.get(island) ?? []).reduce((sum, proxy) => sum + proxy.hurt, 0),
    restart: async (between) => {
      await hub.stop();
      await between();
      hub = await raise();
    },
    close: async () => {
      for (const one of clients) await one.dispose();
      await hub.stop();
      await Promise.all(
        [...children.values()].map(
          (child) =>
            new Promise<void>((resolve) => {
              if (child.exitCode !== null || child.signalCode !== null) return resolve();
              child.once('exit', () => resolve());
              child.kill('SIGTERM');
              setTimeout(() => child.kill('SIGKILL'), 10_000).unref();
            }),
        ),
      );
      for (const one of [...proxies.values()].flat()) await one.close();
      for (const one of running.values()) await one.close();
      await database.drop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
