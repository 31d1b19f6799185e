import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { wordsFor } from './page/messages.ts';
import { Session } from './page/session.ts';
import type { Grant } from './page/sign-in.ts';
import { memoryStore } from './testing.ts';

const words = wordsFor('en');
const address = new URL('https://hub.example/explorer/caller');

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2030-01-01T08:00:00Z') });
});
afterEach(() => {
  vi.useRealTimers();
});

const grant = (token: string, refresh: Grant['refresh'] = null): Grant => ({ token, refresh });
const inSeconds = (seconds: number): string => new Date(Date.now() + seconds * 1_000).toISOString();

/** A hub that takes the tokens of `known`, by the seconds that each is valid from now. */
function open(known: Readonly<Record<string, number>>, { anonymous = false, store = memoryStore() } = {}) {
  const ends = new Map(Object.entries(known).map(([token, seconds]) => [`Bearer ${token}`, inSeconds(seconds)]));
  const hub = { away: false };
  const fetch = async (_: unknown, options?: { headers?: Headers }): Promise<Response> => {
    if (hub.away) throw new TypeError('fetch failed');
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
    const end = ends.get(sent);
    return end
      ? Response.json({ caller: caller(end) })
      : Response.json({ errors: [{ message: 'The token has expired.' }] }, { status: 401 });
  };
  const session = new Session({ address, fetch: fetch as never, store, words });
  return { session, store, hub };
}

test('begins with nobody, or with the anonymous role where the hub has one', async () => {
  const nobody = open({});
  await nobody.session.start();
  expect(nobody.session.state).toEqual({ kind: 'out' });
  const local = open({}, { anonymous: true });
  await local.session.start();
  expect(local.session.state).toMatchObject({ kind: 'in', caller: { expires: null } });
  expect(await local.session.token()).toBeNull();
});

test('a token that the hub takes is kept by the tab until sign-out', async () => {
  const { session, store } = open({ good: 600 });
  await session.start();
  expect(await session.use(grant('good'))).toBeNull();
  expect(await session.token()).toBe('good');
  const again = open({ good: 600 }, { store });
  await again.session.start();
  expect(again.session.state.kind).toBe('in');
  again.session.signOut();
  expect([again.session.state.kind, store.held.size, await again.session.token()]).toEqual(['out', 0, null]);
});

test('a refused token changes nothing, and is told in the words of the hub', async () => {
  const { session, store } = open({});
  await session.start();
  expect(await session.use(grant('bad'))).toBe('The hub refuses the token: The token has expired.');
  expect(await session.use(grant('雪'))).toBe(words.noToken);
  expect([session.state.kind, store.held.size]).toEqual(['out', 0]);
});

test('a kept token that is refused is dropped; one that cannot be checked while the hub is away is not', async () => {
  const store = memoryStore();
  await open({ good: 600 }, { store }).session.use(grant('good'));
  const away = open({ good: 600 }, { store });
  away.hub.away = true;
  await away.session.start();
  expect(away.session.state).toEqual({ kind: 'out', message: words.hubAway });
  expect(store.held.size).toBe(1);
  const refusing = open({}, { store });
  await refusing.session.start();
  expect(refusing.session.state).toMatchObject({ kind: 'out', message: expect.stringContaining('has expired') });
  expect(store.held.size).toBe(0);
});

test('ends when the token ends, and holds it no longer', async () => {
  const { session, store } = open({ good: 60 });
  await session.use(grant('good'));
  await vi.advanceTimersByTimeAsync(59_000);
  expect(session.state.kind).toBe('in');
  await vi.advanceTimersByTimeAsync(1_500);
  expect(session.state).toMatchObject({ kind: 'ended', message: expect.stringContaining('Your sign-in ended at') });
  expect([await session.token(), store.held.size]).toEqual([null, 0]);
});

test('ends when the hub refuses the token between', async () => {
  const { session } = open({ good: 600 });
  await session.use(grant('good'));
  session.refused('The token is not valid for this hub.');
  expect(session.state).toMatchObject({
    kind: 'ended',
    message: 'The hub refuses the token: The token is not valid for this hub.',
  });
});

test('refreshes before the token ends, once, and goes on', async () => {
  const { session } = open({ first: 60, second: 600 });
  let asked = 0;
  const refresh = async (): Promise<Grant> => {
    asked++;
    return grant('second');
  };
  await session.use(grant('first', refresh));
  await vi.advanceTimersByTimeAsync(31_000);
  expect(await Promise.all([session.token(), session.token()])).toEqual(['second', 'second']);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([asked, session.state.kind]).toEqual([1, 'in']);
});

test('refreshes a token of a few seconds in the middle of its life', async () => {
  const { session } = open({ first: 8, second: 600 });
  await session.use(grant('first', async () => grant('second')));
  await vi.advanceTimersByTimeAsync(3_500);
  expect(await session.token()).toBe('first');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await session.token()).toBe('second');
});

test('uses the token to its end where it cannot be refreshed', async () => {
  const { session } = open({ first: 60 });
  await session.use(grant('first', () => Promise.reject(new Error('invalid_grant'))));
  await vi.advanceTimersByTimeAsync(45_000);
  expect([session.state.kind, await session.token()]).toEqual(['in', 'first']);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(session.state.kind).toBe('ended');
});
