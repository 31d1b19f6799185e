/**
 * The processes that work on this database: each has a row that it renews, which runs out when it dies. Beside them the configurations
 * that they were given since the first of those now alive began, so that replicas whose file is changed one after the other are told
 * from a hub with another file.
 */
import { ADVISORY_LOCKS } from '../advisory-locks.ts';
import type { Tx } from '../database.ts';

export interface HubProcess {
  readonly owner: string;
  /** Such as `hub`, or `connector parking`. */
  readonly role: string;
  readonly host: string;
  readonly pid: number;
  readonly until: Date;
}

/** What a configuration holds, by part and setting, each as a short hash. */
export type Outline = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface HubConfiguration {
  readonly digest: string;
  readonly outline: Outline;
  /** The process that brought it, in words. */
  readonly setBy: string;
}

/** Nobody joins or changes until the transaction ends. */
export async function lockProcesses(tx: Tx): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock($1)', [ADVISORY_LOCKS.joiningProcesses]);
}

/** Whether the database has these tables: an older schema has not. */
export async function knowsProcesses(tx: Tx): Promise<boolean> {
  const rows: { found: string | null }[] = await tx.query("SELECT to_regclass('hub_process') AS found");
  return rows[0]?.found != null;
}

/** Those whose row has not run out, oldest first. */
export async function liveProcesses(tx: Tx): Promise<HubProcess[]> {
  return tx.query(
    'SELECT owner, role, host, pid, until FROM hub_process WHERE until > now() ORDER BY started_at, owner',
  );
}

/** Forgets processes that are known to be dead, and those whose row has run out. */
export async function forgetProcesses(tx: Tx, dead: readonly string[]): Promise<void> {
  await tx.query('DELETE FROM hub_process WHERE until <= now() OR owner = ANY($1)', [dead]);
}

/** Writes or renews the process's row, for so many milliseconds. */
export async function renewProcess(
  tx: Tx,
  one: Omit<HubProcess, 'until'> & { readonly configuration: string },
  milliseconds: number,
): Promise<void> {
  await tx.query(
    `INSERT INTO hub_process (owner, role, host, pid, configuration, until)
     VALUES ($1, $2, $3, $4, $5, now() + $6 * interval '1 millisecond')
     ON CONFLICT (owner) DO UPDATE SET until = excluded.until, configuration = excluded.configuration`,
    [one.owner, one.role, one.host, one.pid, one.configuration, milliseconds],
  );
}

export async function dropProcess(tx: Tx, owner: string): Promise<void> {
  await tx.query('DELETE FROM hub_process WHERE owner = $1', [owner]);
}

/** The configurations known, newest first. */
export async function configurations(tx: Tx): Promise<HubConfiguration[]> {
  return tx.query('SELECT digest, outline, set_by AS "setBy" FROM hub_configuration ORDER BY number DESC');
}

/** Makes this the newest configuration. */
export async function setConfiguration(tx: Tx, one: HubConfiguration): Promise<void> {
  await tx.query(
    `INSERT INTO hub_configuration (digest, number, outline, set_by)
     SELECT $1, coalesce(max(number), 0) + 1, $2, $3 FROM hub_configuration
     ON CONFLICT (digest) DO UPDATE SET number = excluded.number, set_by = excluded.set_by, set_at = now()
       WHERE hub_configuration.number < excluded.number - 1`,
    [one.digest, JSON.stringify(one.outline), one.setBy],
  );
}

/** Forgets all configurations: nobody is alive who was given one. */
export async function forgetConfigurations(tx: Tx): Promise<void> {
  await tx.query('DELETE FROM hub_configuration');
}
