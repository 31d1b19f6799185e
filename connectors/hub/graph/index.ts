/** The hub subgraph. */
import { ConsentResolver } from './consents-and-access-log.ts';

// Types are printed in the order in which their modules are imported: keep the order of these imports.

import { PART, type RowRules } from '../../kit/auth/row-rights.ts';
import type { Graph, GraphContext } from '../../kit/connector.ts';
import type { Case } from '../model.ts';
import type { HubRequest } from '../source.ts';
import { BuildingResolver, CaseResolver, CompanyResolver, ParkResolver, SourceResolver } from './entities.ts';
import { EventResolver } from './event-log.ts';
import * as events from './events.ts';
import * as present from './present.ts';

type Context = GraphContext<HubRequest>;

const { hub } = present;

/** Row rights by type. Entities of other subgraphs are only keys here and follow the row that names them. */
const rows: RowRules = {
  Park: (park: { id: string }) => ({ park: park.id }),
  Building: (building: { id: string }, { parks }) => ({ park: parks.parkOfBuilding(building.id) }),
  Company: (company: { uscc: string }) => ({ company: company.uscc }),
  Source: (source: { park: string }) => ({ park: source.park }),
  Case: ({ owner }: { owner: Pick<Case, 'park' | 'company'> }) => owner,
  ParkEvent: ({ owner }: { owner: { park: string; company: string | null } }) => owner,
  // Consents and access log entries belong to no park: the caller must see every park in which the company is known.
  Consent: ({ company }: { company: { uscc: string } }) => ({ company: company.uscc, everyPark: true }),
  AccessLogEntry: ({ company }: { company: string }) => ({ company, everyPark: true }),
  Identifier: PART,
  Conflict: PART,
  ConflictValue: PART,
  Door: PART,
  Badge: PART,
  Vehicle: PART,
  ParkingLot: PART,
  Meter: PART,
  EventsBatch: PART,
  Gap: PART,
  Lagged: PART,
  EventStart: PART,
  UnreadableEvents: PART,
  GrantConsentPayload: PART,
  RevokeConsentPayload: PART,
};

export const graph: Graph = {
  rows,
  resolvers: [
    ParkResolver,
    BuildingResolver,
    CompanyResolver,
    SourceResolver,
    CaseResolver,
    EventResolver,
    ConsentResolver,
  ],
  types: [...events.EVENT_CLASSES],
  references: {
    Park: async ({ id }, context: Context) => {
      const park = await hub(context).park(id);
      return park && present.park(park, context);
    },
    Building: async ({ id }, context: Context) => {
      const building = await hub(context).building(id);
      return building && present.building(building, context);
    },
    Source: async ({ id }, context: Context) =>
      (await hub(context).sources()).find((source) => source.id === id) ?? null,
    Case: async ({ id }, context: Context) => {
      const found = await hub(context).case(id);
      return found && present.filing(found, context);
    },
  },
};
