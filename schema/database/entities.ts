/** Every TypeORM entity of the hub, for the data source. One line per table file. */
import { CompanyRow, IdentityRow } from './identities.ts';
import { BuildingRow, ParkRow } from './parks.ts';
import { SourceRow } from './sources.ts';

export const entities = [ParkRow, BuildingRow, CompanyRow, IdentityRow, SourceRow];
