/** The hub's part of the graph: thin resolvers over its own tables. */
import { TrustResolver } from './trust.ts';

// What is decorated first is printed first: the order of these imports is that of the graph.

import type { Graph, GraphContext } from '../../kit/connector.ts';
import type { HubRequest } from '../source.ts';
import { BuildingResolver, CaseResolver, CompanyResolver, ParkResolver, SourceResolver } from './catalogue.ts';
import { EventResolver } from './event-log.ts';
import * as events from './events.ts';
import * as show from './show.ts';

type Context = GraphContext<HubRequest>;

const { hub } = show;

export const graph: Graph = {
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
