/** Every TypeORM entity of the hub, for the data source. One line per table file. */
import { CompanyRow, IdentityRow } from './hub/identities.ts';
import { BuildingRow, ParkRow } from './hub/parks.ts';
import { SourceRow } from './hub/source-status.ts';

export const entities = [ParkRow, BuildingRow, CompanyRow, IdentityRow, SourceRow];
