/** What the measures of greedy clients share: processes beside the hub, times, and when each island was asked. */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { SourceCallFact } from '../../connectors/kit/guard/guard.ts';
import { until, type WholeHub } from '../hub.ts';

/** Waits until the hub knows every company of the demo. */
export const allCompanies = (whole: WholeHub): Promise<unknown> =>
  until(
    'companies',
    90,
    async () => (await whole.ask('{ companies(first: 50) { totalCount } }')).data?.companies.totalCount === 40,
  );

/** Keeps a process to one core, where there is more than one and the system has the tool. */
export function pin(pid: number | undefined, core: number): void {
  if (availableParallelism() < 2) return;
  try {
    execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' });
  } catch {
    // Then the processes share all cores.
  }
}

/** Runs a file of this folder on the core that the hub has not; it ends with its channel. */
export function beside(file: string): ChildProcess {
  const child = fork(join(import.meta.dirname, file), { execArgv: ['--import', 'tsx'] });
  pin(child.pid, 1);
  return child;
}

export async function answer<T>(child: ChildProcess): Promise<T> {
  const [said] = await once(child, 'message');
  return said as T;
}

export const say = (line: string) => process.stdout.write(`${line}\n`);
const at = (times: readonly number[], share: number): number =>
  [...times].sort((a, b) => a - b)[Math.floor(times.length * share)] ?? 0;
export const p50 = (times: readonly number[]): string => at(times, 0.5).toFixed(1);
export const p95 = (times: readonly number[]): number => at(times, 0.95);
export const shown = (times: readonly number[]): string => `p50 ${p50(times)} p95 ${p95(times).toFixed(1)} ms`;

/** Counts the calls at each source from now on: how many in all, and in the busiest second. */
export function countCalls(): { busiest(): { source: string; calls: number; most: number }[]; stop(): void } {
  const begun = new Map<string, number[]>();
  const note = (message: unknown) => {
    const { source, milliseconds, waited } = message as SourceCallFact;
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
