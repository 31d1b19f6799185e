import {
  type AnyVariables,
  Client,
  cacheExchange,
  fetchExchange,
  type OperationResult,
  subscriptionExchange,
} from '@urql/core';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import { authorization, type Hub, type MakeClient, MUTATION, type PageClient, QUERY, SUBSCRIPTION } from './client.ts';

/** Default settings: queries by GET, subscriptions by fetch. */
export const urqlFetch: MakeClient = (hub) =>
  pageClient(new Client({ ...optionsOf(hub), exchanges: [cacheExchange, fetchExchange], fetchSubscriptions: true }));

export const urqlSocket: MakeClient = (hub) => {
  const socket = createSocketClient({
    url: hub.socketUrl,
    connectionParams: { authorization: authorization(hub) },
    retryAttempts: 0,
  });
  return pageClient(withSubscriptions(hub, socket));
};

export const urqlSse: MakeClient = (hub) => {
  const headers = { authorization: authorization(hub) };
  return pageClient(withSubscriptions(hub, createSseClient({ url: hub.url, headers, retryAttempts: 0 })));
};

const optionsOf = (hub: Hub) => ({ url: hub.url, fetchOptions: { headers: { authorization: authorization(hub) } } });

function withSubscriptions(
  hub: Hub,
  transport: ReturnType<typeof createSocketClient> | ReturnType<typeof createSseClient>,
): Client {
  const exchange = subscriptionExchange({
    forwardSubscription: ({ query = '', variables }) => ({
      subscribe: (sink) => ({
        unsubscribe: transport.subscribe({ query, variables: variables as Record<string, unknown> }, sink as never),
      }),
    }),
  });
  return new Client({ ...optionsOf(hub), exchanges: [cacheExchange, fetchExchange, exchange] });
}

function pageClient(client: Client): PageClient {
  const data = ({ data, error }: OperationResult<unknown, AnyVariables>) => {
    if (error) throw error;
    return data;
  };
  return {
    query: async () => data(await client.query(QUERY, {}).toPromise()),
    mutate: async (input) => data(await client.mutation(MUTATION, { input }).toPromise()),
    subscribe: (next, fail) =>
      void client
        .subscription(SUBSCRIPTION, {})
        .subscribe((result) => (result.error ? fail(result.error) : next(result.data))),
  };
}
