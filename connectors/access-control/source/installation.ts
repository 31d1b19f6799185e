/** What jobs and requests of one installation share. */
import type { Call } from '../../kit/call.ts';
import type { VendorDatabase } from '../../kit/protocols/sql.ts';
import type { Services } from '../../kit/services.ts';
import type { MappingContext, Row } from '../mapping.ts';
import type { AccessSettings } from '../settings.ts';
import type { Statement } from './statements.ts';

export interface AccessInstallation {
  readonly settings: AccessSettings;
  readonly services: Services;
  readonly database: VendorDatabase;
  readonly context: MappingContext;
}

/** Functions of this installation for the mapping. */
export function mappingContext(settings: AccessSettings, services: Services): MappingContext {
  return {
    globalId: services.globalId,
    personId: (pin) => services.hash('person', `${services.installation.id}\0${pin}`),
    building: services.building,
    zone: (device) => settings.zones[String(device)] ?? settings.zone,
  };
}

/** Runs a statement through the guard, for jobs. */
export async function query(
  { services, database }: AccessInstallation,
  call: Call,
  operation: string,
  { sql, values }: Statement,
): Promise<readonly Row[]> {
  return (await services.guard.read(call, { operation }, (signal) => database.select(sql, values, signal))).value;
}
