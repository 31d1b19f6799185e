/**
 * The demo for `isthmus bench --hub`: a PostgreSQL cluster that counts statements, the simulators, and the hub as a process of its own,
 * all in a new folder that is deleted at the end.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { handleSignals } from '../../../connectors/kit/signals.ts';
import { startSimulators } from '../../../connectors/simulators.ts';
import { type EmbeddedCluster, startEmbeddedPostgres } from '../../../schema/database/embedded/embedded-postgres.ts';
import { freePort } from '../../../schema/database/embedded/free-port.ts';
import { killOnExit } from '../../../schema/database/embedded/on-exit.ts';
import { endBySignal } from '../../ops/signals.ts';
import { packageFolder } from '../../sources/schema-snapshots.ts';
import { type DemoTokenRequest, readDemoIssuer } from '../../trust/tokens/demo-issuer.ts';

/** Milliseconds. Starting simulators and hub takes long on a busy machine. */
const START_TIMEOUT = 300_000;
/** Milliseconds from SIGTERM to SIGKILL. */
const STOP_TIMEOUT = 30_000;

/** The cluster and simulators that all candidates share. */
export interface DemoEnvironment {
  /** The data folder of the hub and the simulators. */
  readonly data: string;
  readonly cluster: EmbeddedCluster;
  /** Addresses and passwords of the simulators, as isthmus.demo.yaml names them. */
  readonly simulators: Readonly<Record<string, string>>;
  /** The bench's own connection to the hub's database. */
  readonly database: pg.Client;
  /** Runs this when the environment is closed, before everything that was started earlier. */
  onClose(step: () => Promise<unknown>): void;
  /** Stops everything and deletes the folder. */
  close(): Promise<void>;
}

/** Starts the cluster and, unless `demo` is false, the demo's simulators in a new folder. After a rejection nothing is running. */
export async function startDemoEnvironment(
  say: (text: string) => void,
  { demo = true }: { readonly demo?: boolean } = {},
): Promise<DemoEnvironment> {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-bench-hub-'));
  // The embedded PostgreSQL may run as another user.
  chmodSync(folder, 0o755);
  const data = join(folder, 'data');
  mkdirSync(data);
  const undo: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      for (const step of undo.reverse()) await step();
    })();
    return closing;
  };
  try {
    say(`Starting PostgreSQL${demo ? ' and the simulators of the demo' : ''}.`);
    const cluster = await startEmbeddedPostgres({
      directory: join(folder, 'cluster'),
      listen: { host: '127.0.0.1', port: 0 },
      settings: CLUSTER_SETTINGS,
    });
    undo.push(() => cluster.stop());
    const simulators = demo ? await startSimulators({ data, withParent: true }) : null;
    if (simulators) undo.push(() => simulators.stop());
    const database = new pg.Client({ connectionString: cluster.url, application_name: 'isthmus bench' });
    // A lost connection is reported by the next query.
    database.on('error', () => undefined);
    await database.connect();
    undo.push(() => database.end());
    await database.query('CREATE EXTENSION pg_stat_statements');
    return {
      data,
      cluster,
      simulators: simulators?.env ?? {},
      database,
      onClose: (step) => void undo.push(step),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Closes the environment when a signal asks this process to end, then ends by that signal. A second one ends it at once. */
export function closeOnSignal(environment: DemoEnvironment): void {
  let isClosing = false;
  handleSignals((signal) => {
    if (isClosing) return endBySignal(signal);
    isClosing = true;
    void environment.close().finally(() => endBySignal(signal));
  });
}

/** Larger than the embedded defaults: all candidates and their data are in one cluster. */
const CLUSTER_SETTINGS = {
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.max': '2000',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  max_connections: '100',
};

/** A running hub. */
export interface HubProcess {
  readonly pid: number;
  readonly port: number;
  /** Milliseconds from its start until it accepted requests. */
  readonly startMilliseconds: number;
  /** Signs a token of the demo issuer. */
  token(request: DemoTokenRequest): Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts the hub with this configuration, over the environment's cluster. `program`: arguments of node that run `isthmus`. Rejects with the
 * end of its output if it does not come up.
 */
export async function startHubProcess(
  { data, cluster, simulators, onClose }: Pick<DemoEnvironment, 'data' | 'cluster' | 'simulators' | 'onClose'>,
  yaml: string,
  program: readonly string[] = ['bin/isthmus.js'],
): Promise<HubProcess> {
  const config = join(data, 'isthmus.yaml');
  writeFileSync(config, yaml);
  const port = await freePort();
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...program, 'start', '--config', config], {
    cwd: packageFolder(),
    env: {
      ...process.env,
      ...simulators,
      PORT: String(port),
      ISTHMUS_DATA: data,
      DATABASE_URL: cluster.url,
      ISTHMUS_LOG: 'warn',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  killOnExit(child, 'SIGKILL');
  const output = collectOutput(child);
  const stop = () => stopProcess(child);
  onClose(stop);
  try {
    await waitForText(child, output, 'is up after');
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    pid: child.pid as number,
    port,
    startMilliseconds: performance.now() - startedAt,
    token: async (request) => {
      const issuer = await readDemoIssuer(data);
      if (!issuer) throw new Error(`The hub has not created a demo issuer in ${data}. Set auth: { demo: true }.`);
      return issuer.sign(request);
    },
    stop,
  };
}

/** isthmus.demo.yaml for the bench: no limit of points, absolute paths of descriptions. */
export function demoConfiguration(): string {
  const root = packageFolder();
  const text = readFileSync(join(root, 'isthmus.demo.yaml'), 'utf8').replace(/openapi: /g, `openapi: ${root}/`);
  return `${text}\nlimits: { rate: 0 }\n`;
}

/** The output of a process so far; only the end is kept. */
export function collectOutput(child: ChildProcess): { text: string } {
  const output = { text: '' };
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (part: Buffer) => {
      output.text = (output.text + part.toString()).slice(-20_000);
    });
  return output;
}

/** Resolves when the output contains the text. Rejects with the output if the process exits first or takes too long. */
export async function waitForText(child: ChildProcess, output: { text: string }, text: string): Promise<void> {
  for (const end = performance.now() + START_TIMEOUT; !output.text.includes(text); await pause(50)) {
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > end)
      throw new Error(`A process of the bench did not start:\n${output.text.split('\n').slice(-20).join('\n')}`);
  }
}

/** Ends a process with SIGTERM, and with SIGKILL if it is still running after `STOP_TIMEOUT`. */
export async function stopProcess(child: ChildProcess): Promise<void> {
  const hasExited = () => child.exitCode !== null || child.signalCode !== null;
  if (hasExited()) return;
  child.kill('SIGTERM');
  for (const end = performance.now() + STOP_TIMEOUT; !hasExited(); await pause(20))
    if (performance.now() > end) child.kill('SIGKILL');
}
