/** Registers the door system's identifiers of companies and persons with the hub. */
import type { Call } from '../../kit/call.ts';
import type { Job } from '../../kit/connector.ts';
import type { Claim } from '../../kit/services.ts';
import { integer, mapPerson, mapTenant } from '../mapping.ts';
import { type AccessInstallation, query } from './installation.ts';
import * as statements from './statements.ts';

/** Milliseconds between two runs. */
const PAUSE = 600_000;
/** Milliseconds until a run is overdue. */
const OVERDUE = 3 * PAUSE;
/** Persons per query, as in `statements.people`. */
const PAGE_SIZE = 1_000;

/** The job of the installation. */
export const directoryJob = (installation: AccessInstallation): Job => ({
  ...{ name: 'directory', every: PAUSE, run: (call) => syncDirectory(installation, call) },
});

async function syncDirectory(installation: AccessInstallation, call: Call): Promise<void> {
  const { services, context } = installation;
  const companies = (await query(installation, call, 'poll tenants', statements.tenants)).map(mapTenant);
  const claims: Claim[] = [];
  for (const tenant of companies) {
    if (tenant === null) continue;
    claims.push({ entity: 'COMPANY', key: tenant.uscc, system: 'uscc', value: tenant.uscc });
    if (tenant.tenantNumber !== null) {
      claims.push({ entity: 'COMPANY', key: tenant.uscc, system: 'tenant-no', value: tenant.tenantNumber });
    }
  }
  await services.transaction(async (tx) => {
    await services.identify(tx, claims);
    await services.completeClaims(tx, OVERDUE);
  });
  for (let after = 0; !call.signal.aborted; ) {
    const rows = await query(installation, call, 'poll people', statements.people(after));
    const persons: Claim[] = rows
      .filter((row) => typeof row['pin'] === 'string' && row['pin'].trim() !== '')
      .map((row) => {
        const pin = String(row['pin']).trim();
        return { entity: 'PERSON', key: mapPerson(row, context).id, system: 'pin', value: pin };
      });
    await services.transaction((tx) => services.identify(tx, persons));
    const last = rows.at(-1);
    if (!last || rows.length < PAGE_SIZE) return;
    after = integer(last, 'id');
  }
}
