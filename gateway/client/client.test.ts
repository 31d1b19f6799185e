import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../tests/hub.ts';
import { EVENTS, type LiveHub, liveHub, logged, mortalSockets, write } from '../../tests/live-hub.ts';
import { follow, Refused } from './index.ts';

interface Events {
  readonly events: { readonly __typename: string; readonly events?: readonly { readonly id: string }[] };
}
let live: LiveHub;
beforeAll(async () => {
  live = await liveHub();
});
afterAll(() => live?.close());

test('goes on behind its cursor after every break: nothing lost, nothing twice', async () => {
  const { WebSocket, open } = mortalSockets();
  await write(live.database, ['before']);
  const begin = await historyCursor();
  const breaks: unknown[] = [];
  const followed = follow<Events>({
    url: live.socketUrl,
    query: EVENTS,
    after: begin,
    webSocket: WebSocket,
    pause: { first: 1, longest: 10 },
    onBreak: (reason) => breaks.push(reason),
  });
  const writing = (async () => {
    for (let i = 0; i < 60; i++) {
      await write(live.database, [`a${i}`, `b${i}`, `c${i}`]);
      if (i % 3 === 0) for (const socket of open) socket.terminate();
    }
  })();
  const got: string[] = [];
  for await (const { data } of followed) {
    got.push(...(data?.events.events ?? []).map((event) => event.id));
    if (got.length === 180) break;
  }
  await writing;
  expect(got).toEqual((await logged(live.database)).slice(-180));
  expect(breaks.length).toBeGreaterThan(3);
});

test('a client that takes nothing for a while rests, and misses nothing', async () => {
  const { WebSocket } = mortalSockets();
  const followed = follow<Events>({
    url: live.socketUrl,
    query: EVENTS,
    after: await historyCursor(),
    webSocket: WebSocket,
  });
  const before = (await logged(live.database)).length;
  for (let i = 0; i < 260; i++) await write(live.database, [`r${i}`]);
  const got: string[] = [];
  for await (const { data } of followed) {
    got.push(...(data?.events.events ?? []).map((event) => event.id));
    if (got.length >= 260) break;
  }
  expect(got).toEqual((await logged(live.database)).slice(before));
});

test('may be left while it waits', async () => {
  const { WebSocket, open } = mortalSockets();
  const loop = follow<Events>({ url: live.socketUrl, query: EVENTS, webSocket: WebSocket })[Symbol.asyncIterator]();
  const next = loop.next();
  await loop.return?.();
  expect((await next).done).toBe(true);
  await until('the socket closes', 5, () => open.size === 0);
});

test('may be left while it connects to nobody', async () => {
  const faults: unknown[] = [];
  const note = (reason: unknown) => faults.push(reason);
  process.on('unhandledRejection', note);
  try {
    const { WebSocket, open } = mortalSockets();
    const followed = follow<Events>({ url: 'ws://127.0.0.1:9/graphql', query: EVENTS, webSocket: WebSocket });
    followed.close();
    await until('the socket closes', 30, () => open.size === 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(faults).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
  }
});

test('what no new connection would mend ends the loop', async () => {
  const { WebSocket } = mortalSockets();
  const all = async (query: string, after: string | null) => {
    for await (const _ of follow({ url: live.socketUrl, query, after, webSocket: WebSocket })) break;
  };
  await expect(all(EVENTS, 'forged')).rejects.toMatchObject({ name: 'Refused', code: 'CURSOR_INVALID' });
  await expect(all('subscription ($after: Cursor) { nothing(after: $after) }', null)).rejects.toBeInstanceOf(Refused);
});

/** Cursor behind the newest event. */
async function historyCursor(): Promise<string> {
  const answer = await fetch(live.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ events(last: 1) { pageInfo { endCursor } } }' }),
  });
  const body = (await answer.json()) as { data: { events: { pageInfo: { endCursor: string } } } };
  return body.data.events.pageInfo.endCursor;
}
