import { GraphQLClient } from 'graphql-request';
import { authorization, type MakeClient, MUTATION, QUERY } from './client.ts';

/** graphql-request has no subscriptions. */
export const graphqlRequest: MakeClient = (hub) => {
  const client = new GraphQLClient(hub.url, { headers: { authorization: authorization(hub) } });
  return { query: () => client.request(QUERY), mutate: (input) => client.request(MUTATION, { input }) };
};
