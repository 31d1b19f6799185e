/** All TypeORM entities of the hub. */
import { CompanyRow, IdentityRow } from './hub/identities.ts';
import { BuildingRow, ParkRow } from './hub/parks.ts';
import { SourceRow } from './hub/source-status.ts';

export const entities = [ParkRow, BuildingRow, CompanyRow, IdentityRow, SourceRow];
