/** Cost of a first time: compiling an operation that is not in the cache, and `isthmus gateway` from its start to its first response. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../connectors/kit/log.ts';
import { compose } from '../../schema/compose.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { killOnExit } from '../../schema/database/embedded/on-exit.ts';
import { createFederation } from '../federation/index.ts';
import { packageFolder } from '../sources/schema-snapshots.ts';
import { generateLoad } from './load-generator.ts';
import { BODIES, benchSubgraphs, QUERIES } from './workload.ts';

const SAMPLES = 41;

/** Milliseconds in which a new operation of the size of Q2 is validated, planned and compiled: the median of 41. */
export function compileMilliseconds(): number {
  const parts = benchSubgraphs();
  const { supergraph } = compose(parts.map(({ name, sdl }) => ({ name, sdl, url: `http://${name}.test` })));
  const federation = createFederation({ supergraph, subgraphs: new Map(), log: silentLog });
  const times = Array.from({ length: SAMPLES }, (_, i) => {
    const query = QUERIES.Q2.replace('Q2', `New${i}`);
    const startedAt = performance.now();
    const compiled = federation.compile({ query });
    const time = performance.now() - startedAt;
    if ('errors' in compiled) throw new Error('Failed to compile Q2.');
    return time;
  });
  return times.sort((a, b) => a - b)[SAMPLES >> 1] as number;
}

export interface GatewayStart {
  /** Milliseconds from the start of the process to its first response. */
  readonly firstResponseMs: number;
  /** MB after a load of all operations; 0 where /proc does not exist. */
  readonly rss: number;
}

/** Milliseconds of load for each operation before memory is measured. */
const LOAD_TIME = 2_000;

/** Starts `isthmus gateway` over these subgraphs, waits for its first response, loads it, and stops it. */
export async function measureGatewayStart(urls: Readonly<Record<string, string>>): Promise<GatewayStart> {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const file = join(folder, 'supergraph.graphql');
  const { supergraph } = compose(benchSubgraphs().map(({ name, sdl }) => ({ name, sdl, url: urls[name] ?? '' })));
  writeFileSync(file, supergraph);
  const port = await freePort();
  const program = join(packageFolder(), 'bin', 'isthmus.js');
  const startedAt = performance.now();
  const child = spawn(process.execPath, [program, 'gateway'], {
    env: { ...process.env, SUPERGRAPH: file, PORT: String(port), HOST: '127.0.0.1' },
    stdio: 'ignore',
  });
  killOnExit(child, 'SIGKILL');
  try {
    const firstResponseMs = await firstResponse(port, startedAt);
    for (const bodies of Object.values(BODIES)) await generateLoad(port, bodies, LOAD_TIME);
    const status = `/proc/${child.pid}/status`;
    const rss = existsSync(status) ? Number(/VmRSS:\s+(\d+)/.exec(readFileSync(status, 'utf8'))?.[1]) / 1_024 : 0;
    return { firstResponseMs, rss };
  } finally {
    child.kill();
    rmSync(folder, { recursive: true });
  }
}

/** Milliseconds. */
const MAX_START_TIME = 30_000;

async function firstResponse(port: number, startedAt: number): Promise<number> {
  const request = { method: 'POST', headers: { 'content-type': 'application/json' }, body: BODIES.Q1[0] as string };
  while (performance.now() - startedAt < MAX_START_TIME) {
    const isReady = await fetch(`http://127.0.0.1:${port}/graphql`, request).then(
      async (response) => (await response.text()).startsWith('{"data":{"company":{'),
      () => false,
    );
    if (isReady) return performance.now() - startedAt;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('isthmus gateway did not respond within 30 s.');
}
