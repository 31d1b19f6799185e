/**
 * The processes that use this database: each renews a row, which expires when it dies. Also the configurations that the live processes
 * have had, so that a replica with an older version of the file is distinguished from a hub with another file.
 */
import { ADVISORY_LOCKS } from '../advisory-locks.ts';
import type { Tx } from '../transaction.ts';

/** A process of the hub. */
export interface HubProcess {
  readonly owner: string;
  /** Such as `hub`, or `connector parking`. */
  readonly role: string;
  readonly host: string;
  readonly pid: number;
  readonly until: Date;
}

/** Short hashes of a configuration's settings, by section and setting. */
export type ConfigurationOutline = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** A configuration that a process has set. */
export interface HubConfiguration {
  readonly digest: string;
  readonly outline: ConfigurationOutline;
  /** Description of the process that set it. */
  readonly setBy: string;
}

/** No other process registers or changes its configuration until the transaction ends. */
export async function lockProcesses(tx: Tx): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock($1)', [ADVISORY_LOCKS.joiningProcesses]);
}

/** Whether the schema has these tables; an older one does not. */
export async function hasProcessTables(tx: Tx): Promise<boolean> {
  const rows: { found: string | null }[] = await tx.query("SELECT to_regclass('hub_process') AS found");
  return rows[0]?.found != null;
}

/** Processes whose row has not expired, oldest first. */
export async function liveProcesses(tx: Tx): Promise<HubProcess[]> {
  return tx.query(
    'SELECT owner, role, host, pid, until FROM hub_process WHERE until > now() ORDER BY started_at, owner',
  );
}

/** Deletes expired rows and those of dead processes. */
export async function forgetProcesses(tx: Tx, dead: readonly string[]): Promise<void> {
  await tx.query('DELETE FROM hub_process WHERE until <= now() OR owner = ANY($1)', [dead]);
}

/** Writes or renews the row of a process for this many milliseconds. */
export async function renewProcess(
  tx: Tx,
  hubProcess: Omit<HubProcess, 'until'> & { readonly configuration: string },
  milliseconds: number,
): Promise<void> {
  await tx.query(
    `INSERT INTO hub_process (owner, role, host, pid, configuration, until)
     VALUES ($1, $2, $3, $4, $5, now() + $6 * interval '1 millisecond')
     ON CONFLICT (owner) DO UPDATE SET until = excluded.until, configuration = excluded.configuration`,
    [hubProcess.owner, hubProcess.role, hubProcess.host, hubProcess.pid, hubProcess.configuration, milliseconds],
  );
}

/** Deletes the row of a process. */
export async function dropProcess(tx: Tx, owner: string): Promise<void> {
  await tx.query('DELETE FROM hub_process WHERE owner = $1', [owner]);
}

/** All known configurations, newest first. */
export async function configurations(tx: Tx): Promise<HubConfiguration[]> {
  return tx.query('SELECT digest, outline, set_by AS "setBy" FROM hub_configuration ORDER BY number DESC');
}

/** Makes it the newest configuration. */
export async function setConfiguration(tx: Tx, configuration: HubConfiguration): Promise<void> {
  await tx.query(
    `INSERT INTO hub_configuration (digest, number, outline, set_by)
     SELECT $1, coalesce(max(number), 0) + 1, $2, $3 FROM hub_configuration
     ON CONFLICT (digest) DO UPDATE SET number = excluded.number, set_by = excluded.set_by, set_at = now()
       WHERE hub_configuration.number < excluded.number - 1`,
    [configuration.digest, JSON.stringify(configuration.outline), configuration.setBy],
  );
}

/** Deletes all configurations. For a hub without live processes. */
export async function forgetConfigurations(tx: Tx): Promise<void> {
  await tx.query('DELETE FROM hub_configuration');
}
