import { ApolloClient, gql, HttpLink, InMemoryCache, split } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { getMainDefinition } from '@apollo/client/utilities';
import { createClient } from 'graphql-ws';
import { authorization, type Hub, type MakeClient, MUTATION, type PageClient, QUERY, SUBSCRIPTION } from './client.ts';

const httpLink = (hub: Hub) => new HttpLink({ uri: hub.url, headers: { authorization: authorization(hub) } });

/** Subscriptions over HTTP as multipart/mixed. */
export const apolloMultipart: MakeClient = (hub) => clientOf(httpLink(hub));

/** Subscriptions over graphql-ws. */
export const apolloSocket: MakeClient = (hub) => {
  const socket = new GraphQLWsLink(
    createClient({
      url: hub.socketUrl,
      connectionParams: { authorization: authorization(hub) },
      retryAttempts: 0,
    }),
  );
  const isSubscription = ({ query }: { query: Parameters<typeof getMainDefinition>[0] }) => {
    const definition = getMainDefinition(query);
    return definition.kind === 'OperationDefinition' && definition.operation === 'subscription';
  };
  return clientOf(split(isSubscription, socket, httpLink(hub)));
};

function clientOf(link: ConstructorParameters<typeof ApolloClient>[0]['link']): PageClient {
  const client = new ApolloClient({ cache: new InMemoryCache(), link });
  return {
    query: async () => (await client.query({ query: gql(QUERY) })).data,
    mutate: async (input) => (await client.mutate({ mutation: gql(MUTATION), variables: { input } })).data,
    subscribe: (next, fail) =>
      void client.subscribe({ query: gql(SUBSCRIPTION), fetchPolicy: 'no-cache' }).subscribe({
        next: ({ data, error }) => (error ? fail(error) : next(data)),
        error: fail,
      }),
  };
}
