import { GraphQLError } from 'graphql';
import { expect, test } from 'vitest';
import { HUB_PRINCIPAL } from '../../connectors/kit/auth/principal.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import { createLog } from '../../connectors/kit/log.ts';
import { FakeHub, QUERY, settle } from '../../tests/fake-hub.ts';
import type { Delivery } from './delivery.ts';
import { toGraphQLError } from './internal-error.ts';
import { SubscriptionRegistry } from './subscription-registry.ts';

function subscribe(hub: FakeHub) {
  const lines: Record<string, unknown>[] = [];
  const log = createLog((line) => lines.push(JSON.parse(line)), 'info');
  const controller = new AbortController();
  const responses: Delivery['response'][] = [];
  const ended: unknown[] = [];
  const sink = {
    offer: ({ response: answer }: Delivery) => responses.push(answer) > 0,
    waitForRoom: async () => undefined,
    end: (error: unknown) => ended.push(error),
  };
  const deliveries = new SubscriptionRegistry({ ...hub.parts, log });
  const started = deliveries.subscribe({ query: QUERY, principal: HUB_PRINCIPAL, signal: controller.signal }, sink);
  return { started, lines, responses, ended, controller };
}

test('ends a subscription on an internal error with an errorId, and logs the error with it', async () => {
  const hub = new FakeHub();
  const { started, lines, ended } = subscribe(hub);
  await started;
  hub.run = () => Promise.reject(new TypeError('a fault of ours'));
  hub.write(1);
  await settle();
  const { code, message, extensions } = ended[0] as HubError;
  expect([code, message]).toEqual(['INTERNAL', 'Internal error. Report errorId to the operator.']);
  expect(extensions['errorId']).toEqual(expect.any(String));
  expect(lines).toMatchObject([{ errorId: extensions['errorId'], error: 'a fault of ours' }]);
  hub.close();
});

test('internal error: adds an errorId to a failed delivery', async () => {
  const hub = new FakeHub();
  const { started, lines, responses, controller } = subscribe(hub);
  await started;
  hub.failing = true;
  hub.write(1);
  await settle();
  const [error] = responses[0]?.errors ?? [];
  expect(error).toMatchObject({ message: 'away', extensions: { code: 'INTERNAL', errorId: expect.any(String) } });
  expect(lines.map((one) => one['errorId'])).toContain(error?.extensions?.['errorId']);
  controller.abort();
  hub.close();
});

test('internal error: keeps the code of a client error, without an errorId', () => {
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), 'info');
  expect(toGraphQLError(new HubError('CURSOR_INVALID', 'no'), log).extensions).toEqual({ code: 'CURSOR_INVALID' });
  expect(toGraphQLError(new GraphQLError('Syntax Error'), log).extensions).toEqual({ code: 'GRAPHQL_PARSE_FAILED' });
  expect(lines).toEqual([]);
  expect(toGraphQLError(new Error('ours'), log).extensions).toEqual({ code: 'INTERNAL', errorId: expect.any(String) });
  expect(lines).toHaveLength(1);
});
