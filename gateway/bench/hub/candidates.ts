/** What `isthmus bench --hub` compares: the hub, the hand-written program, and PostGraphile where it is installed. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../../schema/database/embedded/free-port.ts';
import { killOnExit } from '../../../schema/database/embedded/on-exit.ts';
import { demoIssuerFile } from '../../trust/tokens/demo-issuer.ts';
import { collectOutput, type DemoEnvironment, type HubProcess, stopProcess, waitForText } from './demo-hub.ts';
import type { Configuration } from './handwritten/server.ts';
import { ask, type GraphqlRequest, lastDay, type OperationName } from './operations.ts';

/** A running candidate. */
export interface HubCandidate {
  readonly name: 'hub' | 'handwritten' | 'postgraphile';
  readonly pid: number;
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Requests by operation; absent: it does not offer the operation. */
  readonly requests: Readonly<Partial<Record<OperationName, readonly GraphqlRequest[]>>>;
}

type Requests = Readonly<Record<OperationName, readonly GraphqlRequest[]>>;

const THIS_FILE = fileURLToPath(import.meta.url);
const PROGRAM = THIS_FILE.replace(/candidates(\.[jt]s)$/, join('handwritten', 'server$1'));

export const hubCandidate = (hub: HubProcess, token: string, requests: Requests): HubCandidate => ({
  name: 'hub',
  pid: hub.pid,
  port: hub.port,
  headers: { authorization: `Bearer ${token}` },
  requests,
});

/** Starts the hand-written program over the environment's database and simulators. */
export async function startHandwritten(
  environment: DemoEnvironment,
  token: string,
  requests: Requests,
): Promise<HubCandidate> {
  const { simulators, cluster, data } = environment;
  const installed = (kind: string) => ({ id: `lakeside-${kind}`, park: 'lakeside' });
  const variable = (name: string): string => {
    const value = simulators[name];
    if (value === undefined) throw new Error(`The simulators of the demo have no variable ${name}.`);
    return value;
  };
  const configuration: Configuration = {
    databaseUrl: cluster.url,
    issuerFile: demoIssuerFile(data),
    register: { ...installed('register'), url: variable('LAKESIDE_REGISTER_URL') },
    doors: { ...installed('access'), url: variable('LAKESIDE_ACCESS_URL') },
    carParks: {
      ...installed('parking'),
      url: variable('LAKESIDE_PARKING_URL'),
      token: variable('LAKESIDE_PARKING_TOKEN'),
    },
    tax: [installed('tax')],
    energy: [installed('meters'), installed('telemetry')],
  };
  const loader = PROGRAM.endsWith('.ts') ? ['--import', import.meta.resolve('tsx')] : [];
  const child = spawn(process.execPath, [...loader, PROGRAM, JSON.stringify(configuration)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  killOnExit(child, 'SIGKILL');
  environment.onClose(() => stopProcess(child));
  const output = collectOutput(child);
  await waitForText(child, output, 'listening on ');
  const port = Number(/listening on (\d+)/.exec(output.text)?.[1]);
  return {
    name: 'handwritten',
    pid: child.pid as number,
    port,
    headers: { authorization: `Bearer ${token}` },
    requests,
  };
}

/**
 * Loads a copy of all data into a database of its own and starts PostGraphile over it, as docs/performance.md describes the folder. Null
 * if the folder has no PostGraphile.
 */
export async function startPostgraphile(
  environment: DemoEnvironment,
  peers: string,
  from: { readonly hub: HubCandidate; readonly companies: readonly string[]; readonly now: Date },
): Promise<HubCandidate | null> {
  const folder = join(peers, 'postgraphile');
  if (!existsSync(join(folder, 'server.mjs'))) return null;
  const { cluster, database } = environment;
  await database.query('CREATE DATABASE postgraphile');
  const copy = new URL(cluster.url);
  copy.pathname = '/postgraphile';
  const port = await freePort();
  const start = (program: string) => {
    const child = spawn(process.execPath, [program], {
      cwd: folder,
      env: {
        ...process.env,
        NODE_ENV: 'production',
        PORT: String(port),
        DATABASE_URL: copy.href,
        HUB_URL: `http://127.0.0.1:${from.hub.port}/graphql`,
        HUB_AUTHORIZATION: from.hub.headers['authorization'],
        HUB_DATABASE_URL: cluster.url,
        COMPANIES: from.companies.join(','),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    killOnExit(child, 'SIGKILL');
    environment.onClose(() => stopProcess(child));
    return { child, output: collectOutput(child) };
  };
  const load = start('load.mjs');
  await waitForText(load.child, load.output, 'loaded');
  const server = start('server.mjs');
  await waitForText(server.child, server.output, 'listening');
  const query = readFileSync(join(folder, 'company360.graphql'), 'utf8');
  const day = lastDay(from.now);
  const requests = from.companies.map((uscc) => ({ query, variables: { uscc, ...day } }));
  await ask(port, requests[0] as GraphqlRequest, {});
  return {
    name: 'postgraphile',
    pid: server.child.pid as number,
    port,
    headers: {},
    requests: { Company360: requests },
  };
}
