import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { messagesFor } from './page/messages.ts';
import { Session } from './page/session.ts';
import type { Grant } from './page/sign-in.ts';
import { createMemoryStore } from './testing/memory-store.ts';

const messages = messagesFor('en');
const address = new URL('https://hub.example/explorer/caller');

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2030-01-01T08:00:00Z') });
});
afterEach(() => {
  vi.useRealTimers();
});

const grant = (token: string, refresh: Grant['refresh'] = null): Grant => ({ token, refresh });
const inSeconds = (seconds: number): string => new Date(Date.now() + seconds * 1_000).toISOString();

/** A session with a hub that accepts the tokens in `tokens`, each for that number of seconds from now. */
function createSession(
  tokens: Readonly<Record<string, number>>,
  { anonymous = false, store = createMemoryStore() } = {},
) {
  const expiry = new Map(Object.entries(tokens).map(([token, seconds]) => [`Bearer ${token}`, inSeconds(seconds)]));
  const hub = { isDown: false };
  const fetch = async (_: unknown, options?: { headers?: Headers }): Promise<Response> => {
    if (hub.isDown) throw new TypeError('fetch failed');
    const sent = options?.headers?.get('authorization') ?? null;
    const caller = (expires: string | null) => ({
      subject: 'anna',
      client: 'c',
      roles: [],
      parks: null,
      companies: null,
      expires,
    });
    if (sent === null) return Response.json({ caller: anonymous ? caller(null) : null });
    const end = expiry.get(sent);
    return end
      ? Response.json({ caller: caller(end) })
      : Response.json({ errors: [{ message: 'The token has expired.' }] }, { status: 401 });
  };
  const session = new Session({ callerUrl: address, fetch: fetch as never, store, messages: messages });
  return { session, store, hub };
}

test('explorer session: starts signed out, or with the anonymous role if the hub has one', async () => {
  const signedOut = createSession({});
  await signedOut.session.start();
  expect(signedOut.session.state).toEqual({ kind: 'out' });
  const local = createSession({}, { anonymous: true });
  await local.session.start();
  expect(local.session.state).toMatchObject({ kind: 'in', caller: { expires: null } });
  expect(await local.session.token()).toBeNull();
});

test('explorer session: an accepted token is stored in the tab until sign-out', async () => {
  const { session, store } = createSession({ good: 600 });
  await session.start();
  expect(await session.signIn(grant('good'))).toBeNull();
  expect(await session.token()).toBe('good');
  const again = createSession({ good: 600 }, { store });
  await again.session.start();
  expect(again.session.state.kind).toBe('in');
  again.session.signOut();
  expect([again.session.state.kind, store.entries.size, await again.session.token()]).toEqual(['out', 0, null]);
});

test('explorer session: a rejected token changes nothing, and the message contains that of the hub', async () => {
  const { session, store } = createSession({});
  await session.start();
  expect(await session.signIn(grant('bad'))).toBe('The hub rejected the token: The token has expired.');
  expect(await session.signIn(grant('雪'))).toBe(messages.invalidToken);
  expect([session.state.kind, store.entries.size]).toEqual(['out', 0]);
});

test('explorer session: a stored token is deleted when the hub rejects it, and kept while the hub is not reachable', async () => {
  const store = createMemoryStore();
  await createSession({ good: 600 }, { store }).session.signIn(grant('good'));
  const down = createSession({ good: 600 }, { store });
  down.hub.isDown = true;
  await down.session.start();
  expect(down.session.state).toEqual({ kind: 'out', message: messages.hubUnreachable });
  expect(store.entries.size).toBe(1);
  const rejecting = createSession({}, { store });
  await rejecting.session.start();
  expect(rejecting.session.state).toMatchObject({ kind: 'out', message: expect.stringContaining('has expired') });
  expect(store.entries.size).toBe(0);
});

test('explorer session: ends when the token expires, and deletes it', async () => {
  const { session, store } = createSession({ good: 60 });
  await session.signIn(grant('good'));
  await vi.advanceTimersByTimeAsync(59_000);
  expect(session.state.kind).toBe('in');
  await vi.advanceTimersByTimeAsync(1_500);
  expect(session.state).toMatchObject({ kind: 'ended', message: expect.stringContaining('Your sign-in expired at') });
  expect([await session.token(), store.entries.size]).toEqual([null, 0]);
});

test('explorer session: ends when the hub rejects the token before it expires', async () => {
  const { session } = createSession({ good: 600 });
  await session.signIn(grant('good'));
  session.handleRejected("Invalid token. The reason is in the hub's log.");
  expect(session.state).toMatchObject({
    kind: 'ended',
    message: "The hub rejected the token: Invalid token. The reason is in the hub's log.",
  });
});

test('explorer session: refreshes the token once, before it expires', async () => {
  const { session } = createSession({ first: 60, second: 600 });
  let refreshes = 0;
  const refresh = async (): Promise<Grant> => {
    refreshes++;
    return grant('second');
  };
  await session.signIn(grant('first', refresh));
  await vi.advanceTimersByTimeAsync(31_000);
  expect(await Promise.all([session.token(), session.token()])).toEqual(['second', 'second']);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([refreshes, session.state.kind]).toEqual([1, 'in']);
});

test('explorer session: refreshes a short-lived token after half of its lifetime', async () => {
  const { session } = createSession({ first: 8, second: 600 });
  await session.signIn(grant('first', async () => grant('second')));
  await vi.advanceTimersByTimeAsync(3_500);
  expect(await session.token()).toBe('first');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await session.token()).toBe('second');
});

test('explorer session: uses a token until it expires if it cannot be refreshed', async () => {
  const { session } = createSession({ first: 60 });
  await session.signIn(grant('first', () => Promise.reject(new Error('invalid_grant'))));
  await vi.advanceTimersByTimeAsync(45_000);
  expect([session.state.kind, await session.token()]).toEqual(['in', 'first']);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(session.state.kind).toBe('ended');
});
