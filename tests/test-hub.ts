/** A complete hub on free ports, in one process or scaled out, with its own simulators. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { parse, stringify } from 'yaml';
import { configurable, connectors } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import { createLog } from '../connectors/kit/log.ts';
import { type ChaosProxy, type Fault, startChaosProxy } from '../connectors/kit/testing/chaos-proxy.ts';
import { createWorld } from '../connectors/kit/testing/park/index.ts';
import type { RunningSimulator, Simulator } from '../connectors/kit/testing/simulator.ts';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { SIMULATORS, simulatorNames } from '../connectors/simulators.ts';
import { type Hub, startHub } from '../gateway/main.ts';
import { freePort } from '../schema/database/embedded/free-port.ts';
import { isthmusArgs } from './run-isthmus.ts';

export type Deployment = 'embedded' | 'scale-out';
export const DEPLOYMENTS: readonly Deployment[] = ['embedded', 'scale-out'];
const ROOT = join(import.meta.dirname, '..');

// biome-ignore lint/suspicious/noExplicitAny: answers are read by path
type Data = any;

export interface GraphqlResponse {
  readonly data?: Data;
  readonly errors?: { message: string; path?: (string | number)[]; extensions: Record<string, unknown> }[];
  readonly extensions?: Data;
}

/** The caller's token, and the extensions of the request. */
export interface RequestOptions {
  readonly token?: string;
  readonly extensions?: Record<string, unknown>;
}

export interface TestHub {
  readonly url: string;
  readonly hub: Hub;
  readonly log: string[];
  readonly world: ReturnType<typeof createWorld>;
  /** The data of the second park's simulators. */
  readonly secondWorld: ReturnType<typeof createWorld> | null;
  /** The hub's data folder. */
  readonly data: string;
  /** Contains a folder per simulator, with its journal. */
  readonly directory: string;
  readonly databaseUrl: string;
  query(query: string, variables?: Record<string, unknown>, by?: RequestOptions): Promise<GraphqlResponse>;
  /** Deliveries of a subscription; `stop` ends it. */
  subscribe(query: string, variables?: Record<string, unknown>, token?: string): { deliveries: Data[]; stop(): void };
  stopSimulator(name: string): Promise<void>;
  startSimulator(name: string): Promise<void>;
  /** Kills the connector's process (scale-out) with SIGKILL. */
  killConnector(name: string): Promise<void>;
  /** Starts the connector's process; resolves when it listens. */
  startConnector(name: string): Promise<void>;
  /** Applies the fault to all connections between hub and source; null ends it. */
  setFault(name: string, fault: Fault | null): Promise<void>;
  /** How often the current fault has affected a connection between hub and source. */
  faultCount(name: string): number;
  /** Stops the hub, runs `between`, and starts the hub again on the same database. */
  restart(between: () => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

/** Polls `test` until it returns a truthy value, and returns that. Throws with `what` after `seconds`. */
export async function waitFor<T>(what: string, seconds: number, test: () => Promise<T> | T): Promise<NonNullable<T>> {
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
export const explorerOperation = (name: string): string =>
  readFileSync(join(ROOT, 'gateway', 'explorer', 'operations', `${name}.graphql`), 'utf8');

/** How a test hub differs from the demo. */
export interface TestHubOptions {
  /** Nothing happens in the park, and sources are polled and checked only once, so the calls of a query can be counted. */
  readonly quiet?: boolean;
  /** Puts a chaos proxy in front of each port that the hub calls; required by `chaos`. */
  readonly chaos?: { readonly latency: number; readonly drip: number };
  /** Changes the text of isthmus.yaml. */
  readonly settings?: (text: string) => string;
  /** Id of a second park, with its own simulators that contain other companies, people and cars. */
  readonly secondPark?: string;
  /** Size of the hub's database pool. */
  readonly pool?: number;
  /** Faults that are active before the hub starts. */
  readonly initialFaults?: Readonly<Record<string, Fault>>;
}

/** Adds a copy of the demo's park and installations under another id. */
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

export async function startTestHub(form: Deployment, options: TestHubOptions = {}): Promise<TestHub> {
  const { quiet = false } = options;
  const directory = mkdtempSync(join(tmpdir(), `isthmus-${form}-`));
  // As root, the simulator's database runs as another user, who needs access to this folder.
  chmodSync(directory, 0o711);
  const log: string[] = [];
  const demo = createWorld();
  const running = new Map<string, RunningSimulator>();
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
    const previousPorts = ports.get(key);
    const one = await simulator.start({
      directory: folder,
      world: of,
      now: () => new Date(),
      history: 2 * 86_400_000,
      live: !quiet,
      ...(previousPorts ? { ports: previousPorts } : {}),
    });
    ports.set(key, one.ports);
    running.set(key, one);
  };
  const second =
    options.secondPark === undefined ? null : { id: options.secondPark, world: createWorld(options.secondPark) };
  await Promise.all([
    ...simulatorNames().map((name) => startSimulator(name)),
    ...(second ? simulatorNames().map((name) => startSimulator(name, second.world, join(second.id, name))) : []),
  ]);

  const port = await freePort();
  const environment: Record<string, string> = { PORT: String(port) };
  const proxies = new Map<string, ChaosProxy[]>();
  for (const [name, one] of running) {
    const env = { ...one.env };
    for (const target of options.chaos ? Object.values(one.ports) : []) {
      const mark = `127.0.0.1:${target}`;
      const named = Object.keys(env).filter((key) => env[key]?.includes(mark));
      if (named.length === 0 || !options.chaos) continue;
      const proxy = await startChaosProxy({ target: { host: '127.0.0.1', port: target }, ...options.chaos });
      proxies.set(name, [...(proxies.get(name) ?? []), proxy]);
      for (const key of named) env[key] = env[key]?.replace(mark, `127.0.0.1:${proxy.port}`) as string;
    }
    // The simulators of the second park use the same variable names as the demo's.
    const own = second && name.startsWith(join(second.id, '/'));
    for (const [key, value] of Object.entries(env)) {
      environment[own ? key.replace(/^LAKESIDE_/, `${second.id.toUpperCase()}_`) : key] = value;
    }
  }
  const setFault = async (name: string, fault: Fault | null): Promise<void> => {
    const all = proxies.get(name);
    if (!all) throw new Error(`There is no proxy in front of ${name}.`);
    await Promise.all(all.map((proxy) => proxy.setFault(fault)));
  };
  for (const [name, fault] of Object.entries(options.initialFaults ?? {})) await setFault(name, fault);
  const database = await createTestDatabase();
  // Paths of descriptions are relative to isthmus.yaml, which is copied to another folder here.
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
    const child = spawn(process.execPath, isthmusArgs('connector', name, '--config', file), {
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
    });
    child.stdout.on('data', (part: Buffer) => log.push(`${name}: ${part.toString().trim()}`));
    child.stderr.on('data', (part: Buffer) => log.push(`${name}: ${part.toString().trim()}`));
    children.set(name, child);
    await waitFor(
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
  const startAgain = (): Promise<Hub> =>
    startHub({
      config,
      host: '127.0.0.1',
      port,
      data: join(directory, 'data'),
      databaseUrl: database.url,
      log: createLog((line) => log.push(line)),
      ...(options.pool === undefined ? {} : { pool: options.pool }),
      ...(quiet ? { intervals: { checkUp: 3_600_000 } } : {}),
    });
  let hub = await startAgain();
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
    query: async (query, variables, by = {}) => {
      const answer = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(by.token ? { authorization: `Bearer ${by.token}` } : {}),
        },
        body: JSON.stringify({ query, variables, ...(by.extensions ? { extensions: by.extensions } : {}) }),
      });
      return (await answer.json()) as GraphqlResponse;
    },
    subscribe: (query, variables, token) => {
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
      if (!child) throw new Error(`The connector ${name} does not run in its own process.`);
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    },
    startConnector,
    setFault: setFault,
    faultCount: (name) => (proxies.get(name) ?? []).reduce((sum, proxy) => sum + proxy.affected, 0),
    restart: async (between) => {
      await hub.stop();
      await between();
      hub = await startAgain();
    },
    close: async () => {
      for (const client of clients) await client.dispose();
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
