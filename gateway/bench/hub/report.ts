/** The tables that `isthmus bench --hub` prints. */
import type { HubCandidate } from './candidates.ts';
import { type HubMeasurement, median } from './measurement.ts';
import { OPERATION_NAMES, type OperationName } from './operations.ts';
import type { CountedStatement } from './statement-counter.ts';
import { statementCount, writeCount } from './targets.ts';

/** The measurements of all rounds, by candidate and operation. */
export type HubBenchResults = Map<string, Map<OperationName, HubMeasurement[]>>;

/** Characters of a statement in the report. */
const TEXT = 110;

/** A table with one row per operation and candidate. `most`: requests per second without a limit. */
export function hubTable(
  candidates: readonly HubCandidate[],
  results: HubBenchResults,
  most: ReadonlyMap<string, number>,
): string[] {
  const rows = OPERATION_NAMES.flatMap((operation) =>
    candidates.flatMap(({ name }) => {
      const all = results.get(name)?.get(operation) ?? [];
      if (all.length === 0) return [];
      const value = (column: keyof HubMeasurement, digits: number) =>
        median(all.map((one) => one[column])).toFixed(digits);
      const cpu = median(all.map((one) => one.process + one.cluster)).toFixed(2);
      return `| ${operation} | ${name} | ${value('process', 2)} | ${value('cluster', 2)} | ${cpu} | ${value('rate', 0)} | ${value('p50', 1)} / ${value('p99', 1)} | ${most.get(`${name} ${operation}`)?.toFixed(0)} |`;
    }),
  );
  return [
    '\n| operation | candidate | process CPU ms | PostgreSQL CPU ms | both | per s | p50 / p99 ms | per s at most |',
    `| ${Array(8).fill('---').join(' | ')} |`,
    ...rows,
  ];
}

/** The statements and calls of one Company360. */
export function statementLines(
  name: string,
  counted:
    | { readonly statements: readonly CountedStatement[]; readonly calls: Readonly<Record<string, number>> }
    | undefined,
): string[] {
  if (!counted) return [];
  const { statements, calls } = counted;
  const transactions = statements.filter(({ kind }) => kind === 'transaction').reduce((sum, one) => sum + one.calls, 0);
  return [
    `\nOne Company360 of ${name}: ${statementCount(statements)} statements, ${writeCount(statements)} of them write besides the audit entry; ${transactions} of transaction control`,
    ...statements.map(({ calls: times, kind, text }) => `  ${times} × ${kind}  ${text.slice(0, TEXT)}`),
    `  calls: ${Object.entries(calls)
      .map(([operation, times]) => `${operation} ${times.toFixed(2)}`)
      .join(', ')}`,
  ];
}
