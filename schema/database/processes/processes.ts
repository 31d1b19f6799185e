/**
 * The processes that use this database: each renews a row, which expires when it dies. Also the configurations that the live processes
 * have had, so that a replica with an older version of the file is distinguished from a hub with another file.
 */
import { takeLock } from '../advisory-locks.ts';
import { type ConfigurationOutline, HubConfigurationRow, HubProcessRow } from '../entities/processes.ts';
import { hasTable, type Tx } from '../transaction.ts';

export type { ConfigurationOutline };

/** A process of the hub. */
export type HubProcess = Readonly<Pick<HubProcessRow, 'owner' | 'role' | 'host' | 'pid' | 'until'>>;

/** A configuration that a process has set. */
export type HubConfiguration = Readonly<Pick<HubConfigurationRow, 'digest' | 'outline' | 'setBy'>>;

/** No other process registers or changes its configuration until the transaction ends. */
export const lockProcesses = (tx: Tx): Promise<void> => takeLock(tx, 'joiningProcesses');

/** Whether the schema has these tables; an older one does not. */
export const hasProcessTables = (tx: Tx): Promise<boolean> => hasTable(tx, 'hub_process');

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

/** Writes or renews the row of a process for this many milliseconds. Resolves with the newest configuration; null: there is none. */
export async function renewProcess(
  tx: Tx,
  hubProcess: Omit<HubProcess, 'until'> & { readonly configuration: string },
  milliseconds: number,
): Promise<HubConfiguration | null> {
  const rows: HubConfiguration[] = await tx.query(
    `WITH renewed AS (
       INSERT INTO hub_process (owner, role, host, pid, configuration, until)
       VALUES ($1, $2, $3, $4, $5, now() + $6 * interval '1 millisecond')
       ON CONFLICT (owner) DO UPDATE SET until = excluded.until, configuration = excluded.configuration
     )
     SELECT digest, outline, set_by AS "setBy" FROM hub_configuration ORDER BY number DESC LIMIT 1`,
    [hubProcess.owner, hubProcess.role, hubProcess.host, hubProcess.pid, hubProcess.configuration, milliseconds],
  );
  return rows[0] ?? null;
}

/** Deletes the row of a process. */
export async function dropProcess(tx: Tx, owner: string): Promise<void> {
  await tx.delete(HubProcessRow, { owner });
}

/** All known configurations, newest first. */
export const configurations = (tx: Tx): Promise<HubConfiguration[]> =>
  tx.find(HubConfigurationRow, { select: { digest: true, outline: true, setBy: true }, order: { number: 'DESC' } });

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
  await tx.deleteAll(HubConfigurationRow);
}
