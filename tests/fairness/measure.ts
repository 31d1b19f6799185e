/** Helpers of the fairness tests: client processes, percentiles, and calls per source. */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { SourceCallEvent } from '../../connectors/kit/guard/guard-types.ts';
import { type TestHub, waitFor } from '../test-hub.ts';

/** Waits until the hub knows every company of the demo. */
export const waitForCompanies = (testHub: TestHub): Promise<unknown> =>
  waitFor(
    'companies',
    90,
    async () => (await testHub.query('{ companies(first: 50) { totalCount } }')).data?.companies.totalCount === 40,
  );

/** Pins a process to one core, if there is more than one and `taskset` is available. */
export function pinToCore(pid: number | undefined, core: number): void {
  if (availableParallelism() < 2) return;
  try {
    execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' });
  } catch {
    // Without taskset the processes share all cores.
  }
}

/** Runs a file of this folder on the core the hub does not use; it exits when disconnected. */
export function startClientProcess(file: string): ChildProcess {
  const child = fork(join(import.meta.dirname, file), { execArgv: ['--import', 'tsx'] });
  pinToCore(child.pid, 1);
  return child;
}

export async function nextMessage<T>(child: ChildProcess): Promise<T> {
  const [message] = await once(child, 'message');
  return message as T;
}

export const print = (line: string) => process.stdout.write(`${line}\n`);
const at = (times: readonly number[], share: number): number =>
  [...times].sort((a, b) => a - b)[Math.floor(times.length * share)] ?? 0;
export const p50 = (times: readonly number[]): string => at(times, 0.5).toFixed(1);
export const p95 = (times: readonly number[]): number => at(times, 0.95);
export const formatLatencies = (times: readonly number[]): string =>
  `p50 ${p50(times)} p95 ${p95(times).toFixed(1)} ms`;

/** Counts the calls to each source from now on: total, and within the busiest second. */
export function countCalls(): { busiest(): { source: string; calls: number; most: number }[]; stop(): void } {
  const begun = new Map<string, number[]>();
  const note = (message: unknown) => {
    const { source, milliseconds, queuedMs: waited } = message as SourceCallEvent;
    if (waited === null) return;
    const calls = begun.get(source) ?? [];
    calls.push(performance.now() - milliseconds + waited);
    begun.set(source, calls);
  };
  subscribe('isthmus:source:call', note);
  return {
    busiest: () =>
      [...begun].map(([source, times]) => {
        const sorted = [...times].sort((a, b) => a - b);
        const most = Math.max(...sorted.map((at, i) => sorted.slice(i).filter((one) => one < at + 1_000).length));
        return { source, calls: sorted.length, most };
      }),
    stop: () => unsubscribe('isthmus:source:call', note),
  };
}
