import { GraphQLError } from 'graphql';
import { expect, test } from 'vitest';
import { HUB_PRINCIPAL } from '../../connectors/kit/auth/principal.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import { makeLog } from '../../connectors/kit/log.ts';
import { Pretend, QUERY, settle } from '../../tests/pretend-hub.ts';
import { shown } from './internal-error.ts';
import { Deliveries, type Delivery } from './subscription-registry.ts';

function listening(hub: Pretend) {
  const lines: Record<string, unknown>[] = [];
  const log = makeLog((line) => lines.push(JSON.parse(line)), 'info');
  const gone = new AbortController();
  const told: Delivery['answer'][] = [];
  const ended: unknown[] = [];
  const sink = {
    offer: ({ answer }: Delivery) => told.push(answer) > 0,
    ready: async () => undefined,
    end: (error: unknown) => ended.push(error),
  };
  const deliveries = new Deliveries({ ...hub.parts, log });
  const joined = deliveries.join({ query: QUERY, principal: HUB_PRINCIPAL, signal: gone.signal }, sink);
  return { joined, lines, told, ended, gone };
}

test('a subscription that the hub ends by a fault of its own ends with an id, under which the log has the fault', async () => {
  const hub = new Pretend();
  const { joined, lines, ended } = listening(hub);
  await joined;
  hub.run = () => Promise.reject(new TypeError('a fault of ours'));
  hub.write(1);
  await settle();
  const { code, message, extensions } = ended[0] as HubError;
  expect([code, message]).toEqual(['INTERNAL', 'Something went wrong in the hub.']);
  expect(extensions['errorId']).toEqual(expect.any(String));
  expect(lines).toMatchObject([{ errorId: extensions['errorId'], error: 'a fault of ours' }]);
  hub.close();
});

test('a delivery that fails has an id as well', async () => {
  const hub = new Pretend();
  const { joined, lines, told, gone } = listening(hub);
  await joined;
  hub.failing = true;
  hub.write(1);
  await settle();
  const [error] = told[0]?.errors ?? [];
  expect(error).toMatchObject({ message: 'away', extensions: { code: 'INTERNAL', errorId: expect.any(String) } });
  expect(lines.map((one) => one['errorId'])).toContain(error?.extensions?.['errorId']);
  gone.abort();
  hub.close();
});

test('what a client did wrong has none, and keeps its code', () => {
  const lines: string[] = [];
  const log = makeLog((line) => lines.push(line), 'info');
  expect(shown(new HubError('CURSOR_INVALID', 'no'), log).extensions).toEqual({ code: 'CURSOR_INVALID' });
  expect(shown(new GraphQLError('Syntax Error'), log).extensions).toEqual({ code: 'GRAPHQL_PARSE_FAILED' });
  expect(lines).toEqual([]);
  expect(shown(new Error('ours'), log).extensions).toEqual({ code: 'INTERNAL', errorId: expect.any(String) });
  expect(lines).toHaveLength(1);
});
