/** Relay with its network layer; the artifacts are written as its compiler would generate them. */
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import {
  type ConcreteRequest,
  commitMutation,
  Environment,
  fetchQuery,
  Network,
  Observable,
  RecordSource,
  requestSubscription,
  Store,
} from 'relay-runtime';
import { authorization, type Hub, type MakeClient, MUTATION, QUERY, SUBSCRIPTION } from './client.ts';

type Transport = ReturnType<typeof createSocketClient> | ReturnType<typeof createSseClient>;

export const relaySocket: MakeClient = (hub) =>
  pageClient(
    hub,
    createSocketClient({
      url: hub.socketUrl,
      connectionParams: { authorization: authorization(hub) },
      retryAttempts: 0,
    }),
  );

export const relaySse: MakeClient = (hub) =>
  pageClient(hub, createSseClient({ url: hub.url, headers: { authorization: authorization(hub) }, retryAttempts: 0 }));

function pageClient(hub: Hub, transport: Transport): ReturnType<MakeClient> {
  const network = Network.create(
    async ({ text }, variables) => {
      const answer = await fetch(hub.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: authorization(hub) },
        body: JSON.stringify({ query: text, variables }),
      });
      return (await answer.json()) as never;
    },
    ({ text }, variables) =>
      Observable.create((sink) => transport.subscribe({ query: text ?? '', variables }, sink as never)),
  );
  const environment = new Environment({ network, store: new Store(new RecordSource()) });
  return {
    query: () => fetchQuery(environment, PARKS, {}).toPromise(),
    mutate: (input) =>
      new Promise((resolve, reject) => {
        commitMutation(environment, {
          mutation: GRANT,
          variables: { input },
          onCompleted: (data, errors) => (errors ? reject(errors) : resolve(data)),
          onError: reject,
        });
      }),
    subscribe: (next, fail) =>
      void requestSubscription(environment, { subscription: FOLLOW, variables: {}, onNext: next, onError: fail }),
  };
}

const scalar = (name: string) => ({ alias: null, args: null, kind: 'ScalarField', name, storageKey: null });
const linked = (name: string, concreteType: string | null, selections: readonly object[], more: object = {}) => ({
  alias: null,
  args: null,
  concreteType,
  kind: 'LinkedField',
  name,
  plural: false,
  selections,
  storageKey: null,
  ...more,
});
const on = (type: string, selections: readonly object[]) => ({
  kind: 'InlineFragment',
  type,
  abstractKey: null,
  selections,
});

function artifact(
  text: string,
  operationKind: 'query' | 'mutation' | 'subscription',
  selections: readonly object[],
  variables: readonly string[] = [],
): ConcreteRequest {
  const name = /\w+ (\w+)/.exec(text)?.[1] ?? '';
  const argumentDefinitions = variables.map((variable) => ({
    defaultValue: null,
    kind: 'LocalArgument',
    name: variable,
  }));
  const type = operationKind[0]?.toUpperCase() + operationKind.slice(1);
  return {
    fragment: { abstractKey: null, argumentDefinitions, kind: 'Fragment', metadata: null, name, selections, type },
    kind: 'Request',
    operation: { argumentDefinitions, kind: 'Operation', name, selections },
    params: { cacheID: name, id: null, metadata: {}, name, operationKind, text },
  } as never;
}

const PARKS = artifact(QUERY, 'query', [linked('parks', 'Park', [scalar('id'), scalar('name')], { plural: true })]);
const GRANT = artifact(
  MUTATION,
  'mutation',
  [
    linked(
      'grantParkingPermit',
      'GrantParkingPermitPayload',
      [linked('permit', 'ParkingPermit', [scalar('id'), scalar('state')])],
      { args: [{ kind: 'Variable', name: 'input', variableName: 'input' }] },
    ),
  ],
  ['input'],
);
const FOLLOW = artifact(SUBSCRIPTION, 'subscription', [
  linked('events', null, [
    scalar('__typename'),
    on('EventsBatch', [
      scalar('cursor'),
      linked('events', null, [scalar('__typename'), scalar('id')], { plural: true }),
    ]),
    on('Gap', [scalar('cursor')]),
    on('Lagged', [scalar('cursor'), scalar('behind')]),
  ]),
]);
