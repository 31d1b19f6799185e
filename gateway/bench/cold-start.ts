/** What the first time costs: an operation that was never seen, and `isthmus gateway` from its start to its first answer. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../connectors/kit/log.ts';
import { compose } from '../../schema/compose.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { endOnExit } from '../../schema/database/on-exit.ts';
import { createFederation } from '../federation/index.ts';
import { packageFolder } from '../sources/schema-snapshots.ts';
import { load } from './load-generator.ts';
import { BODIES, benchSubgraphs, QUERIES } from './workload.ts';

const TIMES = 41;

/** Milliseconds until a new operation of the size of Q2 is checked, planned and compiled: the middle of many. */
export function coldMilliseconds(): number {
  const all = benchSubgraphs();
  const { supergraph } = compose(all.map(({ name, sdl }) => ({ name, sdl, url: `http://${name}.test` })));
  const federation = createFederation({ supergraph, subgraphs: new Map(), log: silentLog });
  const times = Array.from({ length: TIMES }, (_, i) => {
    const query = QUERIES.Q2.replace('Q2', `New${i}`);
    const began = performance.now();
    const compiled = federation.compile({ query });
    const time = performance.now() - began;
    if ('errors' in compiled) throw new Error('Q2 cannot be compiled.');
    return time;
  });
  return times.sort((a, b) => a - b)[TIMES >> 1] as number;
}

export interface Started {
  /** Milliseconds from the start of the process to its first answer. */
  readonly first: number;
  /** MB after a load of all questions. */
  readonly rss: number;
}

/** Starts `isthmus gateway` over these subgraphs, asks it, loads it, stops it. */
export async function startedGateway(urls: Readonly<Record<string, string>>): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-bench-'));
  const file = join(folder, 'supergraph.graphql');
  const { supergraph } = compose(benchSubgraphs().map(({ name, sdl }) => ({ name, sdl, url: urls[name] ?? '' })));
  writeFileSync(file, supergraph);
  const port = await freePort();
  const program = join(packageFolder(), 'bin', 'isthmus.js');
  const began = performance.now();
  const child = spawn(process.execPath, [program, 'gateway'], {
    env: { ...process.env, SUPERGRAPH: file, PORT: String(port), HOST: '127.0.0.1' },
    stdio: 'ignore',
  });
  endOnExit(child, 'SIGKILL');
  try {
    const first = await firstAnswer(port, began);
    for (const bodies of Object.values(BODIES)) await load(port, bodies, 2_000);
    const status = `/proc/${child.pid}/status`;
    const rss = existsSync(status) ? Number(/VmRSS:\s+(\d+)/.exec(readFileSync(status, 'utf8'))?.[1]) / 1_024 : 0;
    return { first, rss };
  } finally {
    child.kill();
    rmSync(folder, { recursive: true });
  }
}

async function firstAnswer(port: number, began: number): Promise<number> {
  const request = { method: 'POST', headers: { 'content-type': 'application/json' }, body: BODIES.Q1[0] as string };
  while (performance.now() - began < 30_000) {
    const sound = await fetch(`http://127.0.0.1:${port}/graphql`, request).then(
      async (answer) => (await answer.text()).startsWith('{"data":{"company":{'),
      () => false,
    );
    if (sound) return performance.now() - began;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('isthmus gateway did not answer within 30 s.');
}
