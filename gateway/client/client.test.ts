import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  appendTestEvents,
  type BareHub,
  EVENTS_SUBSCRIPTION,
  killableSockets,
  loggedEventIds,
  startBareHub,
} from '../../tests/bare-hub.ts';
import { waitFor } from '../../tests/test-hub.ts';
import { follow, SubscriptionRejected } from './index.ts';

interface Events {
  readonly events: { readonly __typename: string; readonly events?: readonly { readonly id: string }[] };
}
let live: BareHub;
beforeAll(async () => {
  live = await startBareHub();
});
afterAll(() => live?.close());

test('client: resumes by cursor after every lost connection, without losing or repeating an event', async () => {
  const { WebSocket, open } = killableSockets();
  await appendTestEvents(live.database, ['before']);
  const begin = await historyCursor();
  const breaks: unknown[] = [];
  const followed = follow<Events>({
    url: live.socketUrl,
    query: EVENTS_SUBSCRIPTION,
    after: begin,
    webSocket: WebSocket,
    pause: { first: 1, longest: 10 },
    onDisconnect: (reason) => breaks.push(reason),
  });
  const writing = (async () => {
    for (let i = 0; i < 60; i++) {
      await appendTestEvents(live.database, [`a${i}`, `b${i}`, `c${i}`]);
      if (i % 3 === 0) for (const socket of open) socket.terminate();
    }
  })();
  const got: string[] = [];
  for await (const { data } of followed) {
    got.push(...(data?.events.events ?? []).map((event) => event.id));
    if (got.length === 180) break;
  }
  await writing;
  expect(got).toEqual((await loggedEventIds(live.database)).slice(-180));
  expect(breaks.length).toBeGreaterThan(3);
});

test('client: pauses while nothing is read and misses nothing', async () => {
  const { WebSocket } = killableSockets();
  const followed = follow<Events>({
    url: live.socketUrl,
    query: EVENTS_SUBSCRIPTION,
    after: await historyCursor(),
    webSocket: WebSocket,
  });
  const before = (await loggedEventIds(live.database)).length;
  for (let i = 0; i < 260; i++) await appendTestEvents(live.database, [`r${i}`]);
  const got: string[] = [];
  for await (const { data } of followed) {
    got.push(...(data?.events.events ?? []).map((event) => event.id));
    if (got.length >= 260) break;
  }
  expect(got).toEqual((await loggedEventIds(live.database)).slice(before));
});

test('client: can be left while it waits for a delivery', async () => {
  const { WebSocket, open } = killableSockets();
  const loop = follow<Events>({ url: live.socketUrl, query: EVENTS_SUBSCRIPTION, webSocket: WebSocket })[
    Symbol.asyncIterator
  ]();
  const next = loop.next();
  await loop.return?.();
  expect((await next).done).toBe(true);
  await waitFor('the socket closes', 5, () => open.size === 0);
});

test('client: can be closed while no server accepts the connection', async () => {
  const faults: unknown[] = [];
  const note = (reason: unknown) => faults.push(reason);
  process.on('unhandledRejection', note);
  try {
    const { WebSocket, open } = killableSockets();
    const followed = follow<Events>({
      url: 'ws://127.0.0.1:9/graphql',
      query: EVENTS_SUBSCRIPTION,
      webSocket: WebSocket,
    });
    followed.close();
    await waitFor('the socket closes', 30, () => open.size === 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(faults).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
  }
});

test('client: ends the loop on an error that a retry cannot resolve', async () => {
  const { WebSocket } = killableSockets();
  const all = async (query: string, after: string | null) => {
    for await (const _ of follow({ url: live.socketUrl, query, after, webSocket: WebSocket })) break;
  };
  await expect(all(EVENTS_SUBSCRIPTION, 'forged')).rejects.toMatchObject({
    name: 'SubscriptionRejected',
    code: 'CURSOR_INVALID',
  });
  await expect(all('subscription ($after: Cursor) { nothing(after: $after) }', null)).rejects.toBeInstanceOf(
    SubscriptionRejected,
  );
});

/** The cursor of the newest event. */
async function historyCursor(): Promise<string> {
  const answer = await fetch(live.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ events(last: 1) { pageInfo { endCursor } } }' }),
  });
  const body = (await answer.json()) as { data: { events: { pageInfo: { endCursor: string } } } };
  return body.data.events.pageInfo.endCursor;
}
