/** What jobs and requests of one installation share. */
import type { VendorDatabase } from '../../kit/protocols/sql.ts';
import type { Services } from '../../kit/services.ts';
import type { MappingContext } from '../mapping.ts';
import type { AccessSettings } from '../settings.ts';

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
