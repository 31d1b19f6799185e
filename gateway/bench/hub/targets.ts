/** The targets of `isthmus bench --hub`. */
import type { Target } from '../targets.ts';
import type { CountedStatement } from './statement-counter.ts';

/** CPU milliseconds of process and PostgreSQL for one request; null: the candidate did not run. */
export interface HubResults {
  readonly company360: {
    readonly hub: number;
    readonly handwritten: number;
    readonly postgraphile: number | null;
    readonly statements: readonly CountedStatement[];
  };
  readonly companies: { readonly hub: number; readonly handwritten: number };
  /** Milliseconds of a warm response, or until the error: energy of the park over a year by month. */
  readonly parkYear: { readonly milliseconds: number; readonly hasFailed: boolean };
  /** Company360 with many parks and with the demo's park only, and their number. */
  readonly parks: { readonly count: number; readonly many: number; readonly one: number; readonly hasFailed: boolean };
  /** Transactions per second while the installations of the other parks are down. */
  readonly idle: { readonly installations: number; readonly transactions: number };
}

/** Executions of statements other than BEGIN and COMMIT. */
export const statementCount = (statements: readonly CountedStatement[]): number =>
  sum(statements.filter(({ kind }) => kind !== 'transaction'));
/** Executions of statements that write anything but the audit log. */
export const writeCount = (statements: readonly CountedStatement[]): number =>
  sum(statements.filter(({ kind }) => kind === 'write'));
const sum = (statements: readonly CountedStatement[]): number =>
  statements.reduce((total, { calls }) => total + calls, 0);

/**
 * Compares the results with the limits. A target is missed, whatever its value, if its requests failed, or if their CPU cannot be distinguished
 * from what is used without requests.
 */
export function evaluateHubTargets({ company360, companies, parkYear, parks, idle }: HubResults): Target[] {
  const targets: Target[] = [];
  const add = (name: string, value: number, limit: number, problem: string | null = null) =>
    targets.push({
      name: problem === null ? name : `${name}; ${problem}`,
      value: Number(value.toPrecision(3)),
      limit,
      ok: value <= limit && problem === null,
    });
  const addRatio = (name: string, [above, below]: readonly [number, number], limit: number, hasFailed = false) =>
    add(
      name,
      above / below,
      limit,
      hasFailed ? 'requests failed' : above > 0 && below > 0 ? null : 'not measurable beside the idle use',
    );
  addRatio('Company360 CPU, hub / handwritten', [company360.hub, company360.handwritten], 1.5);
  if (company360.postgraphile !== null)
    addRatio('Company360 CPU, hub / PostGraphile over copied data', [company360.hub, company360.postgraphile], 1);
  addRatio('Companies(10) CPU, hub / handwritten', [companies.hub, companies.handwritten], 1.5);
  add('Company360 statements', statementCount(company360.statements), 8);
  add('Company360 statements that write, besides the audit entry', writeCount(company360.statements), 0);
  add(
    'energy of a park over a year by month: ms warm',
    parkYear.milliseconds,
    50,
    parkYear.hasFailed ? 'requests failed' : null,
  );
  addRatio(`Company360 CPU, ${parks.count} parks / 1 park`, [parks.many, parks.one], 1.1, parks.hasFailed);
  add(`transactions per second, ${idle.installations} installations down`, idle.transactions, 5);
  return targets;
}
