/** The hub's part of the graph: thin resolvers over its own tables. */
import { TrustResolver } from './trust.ts';

// What is decorated first is printed first: the order of these imports is that of the graph.

import type { Graph, GraphContext } from '../../kit/connector.ts';
import { PART, type RowRules } from '../../kit/row-rights.ts';
import type { Case } from '../model.ts';
import type { HubRequest } from '../source.ts';
import { BuildingResolver, CaseResolver, CompanyResolver, ParkResolver, SourceResolver } from './entities.ts';
import { EventResolver } from './event-log.ts';
import * as events from './events.ts';
import * as show from './present.ts';

type Context = GraphContext<HubRequest>;

const { hub } = show;

/** Whose rows these are. Stubs of other subgraphs' entities are no more than the keys that a row of the hub names. */
const rows: RowRules = {
  Park: (park: { id: string }) => ({ park: park.id }),
  Building: (building: { id: string }, { parks }) => ({ park: parks.ofBuilding(building.id) }),
  Company: (company: { uscc: string }) => ({ company: company.uscc }),
  Source: (source: { park: string }) => ({ park: source.park }),
  Case: ({ owner }: { owner: Pick<Case, 'park' | 'company'> }) => owner,
  ParkEvent: ({ owner }: { owner: { park: string; company: string | null } }) => owner,
  // What a company has granted and who has read of it belongs to no park: who sees only some parks sees it where no other knows the company.
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
    TrustResolver,
  ],
  types: [...events.EVENT_CLASSES],
  references: {
    Park: async ({ id }, context: Context) => {
      const park = await hub(context).park(id);
      return park && show.park(park, context);
    },
    Building: async ({ id }, context: Context) => {
      const building = await hub(context).building(id);
      return building && show.building(building, context);
    },
    Source: async ({ id }, context: Context) =>
      (await hub(context).sources()).find((source) => source.id === id) ?? null,
    Case: async ({ id }, context: Context) => {
      const found = await hub(context).case(id);
      return found && show.filing(found, context);
    },
  },
};
