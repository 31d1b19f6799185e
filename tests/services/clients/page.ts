/** The program of the page: offers every client by name to the test. */
import { apolloMultipart, apolloSocket } from './apollo.ts';
import type { Hub, MakeClient } from './client.ts';
import { graphqlRequest } from './graphql-request.ts';
import { relaySocket, relaySse } from './relay.ts';
import { urqlFetch, urqlSocket, urqlSse } from './urql.ts';

export const CLIENTS = {
  apolloMultipart,
  apolloSocket,
  urqlFetch,
  urqlSocket,
  urqlSse,
  relaySocket,
  relaySse,
  graphqlRequest,
} satisfies Record<string, MakeClient>;

export type ClientName = keyof typeof CLIENTS;

/** What the page offers to the test. */
export interface PageApi {
  query(name: ClientName, hub: Hub): Promise<unknown>;
  mutate(name: ClientName, hub: Hub, input: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Subscribes; false if the client has no subscriptions. Received ids are in `heard`, an error in `failed`. */
  subscribe(name: ClientName, hub: Hub): boolean;
  /** Ids of events, by client. */
  readonly heard: Record<string, string[]>;
  readonly failed: Record<string, string>;
}

const heard: Record<string, string[]> = {};
const failed: Record<string, string> = {};
const api: PageApi = {
  heard,
  failed,
  query: (name, hub) => CLIENTS[name](hub).query(),
  mutate: (name, hub, input) => CLIENTS[name](hub).mutate(input),
  subscribe: (name, hub) => {
    const client = CLIENTS[name](hub);
    heard[name] = [];
    client.subscribe?.(
      (data) => {
        for (const event of data?.events?.events ?? []) heard[name]?.push(event.id);
      },
      (error) => {
        failed[name] = String((error as Error)?.message ?? error);
      },
    );
    return client.subscribe !== undefined;
  },
};
Object.assign(globalThis, { api });
