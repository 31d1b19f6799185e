import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { messagesFor } from './page/messages.ts';
import { Session } from './page/session.ts';
import { ClosableStorage, signOut, takeNotice } from './page/sign-out.ts';
import { createMemoryStore } from './testing/memory-store.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A window of a caller who works with the park riverside; its reload takes a second. */
async function openWindow() {
  const [localStorage, sessionStorage] = [createMemoryStore(), createMemoryStore()];
  const [local, store] = [new ClosableStorage(localStorage), new ClosableStorage(sessionStorage)];
  const caller = { subject: 'anna', client: 'c', roles: [], parks: ['riverside'], companies: null, expires: null };
  const session = new Session({
    callerUrl: new URL('https://hub.example/explorer/caller'),
    fetch: (async () => Response.json({ caller })) as never,
    store,
    messages: messagesFor('en'),
  });
  await session.signIn({ token: 'a token', refresh: null });
  // As GraphiQL's StorageAPI: the function is taken from the storage once.
  const editor = { setItem: local.setItem.bind(local) };
  const edit = () => void setTimeout(() => editor.setItem('graphiql:tabState', '{"tabs":"riverside"}'), 500);
  editor.setItem('graphiql:queries', 'riverside');
  let reloads = 0;
  const leave = () =>
    signOut({
      session,
      local,
      store,
      examples: [{ query: '{ a }', variables: 'fill in' }],
      notice: 'Signed out.',
      reload: () => void reloads++,
    });
  const stored = () => JSON.stringify([[...localStorage.entries], [...sessionStorage.entries]]);
  return { local, store, session, edit, leave, stored, localStorage, reloads: () => reloads };
}

test('explorer sign-out: signing out removes the token and the values of the caller, and reloads the page', async () => {
  const { session, leave, stored, store, reloads } = await openWindow();
  leave();
  expect(stored()).not.toMatch(/riverside|a token/);
  expect(session.state).toEqual({ kind: 'out' });
  expect(reloads()).toBe(1);
  expect([takeNotice(store), takeNotice(store)]).toEqual(['Signed out.', undefined]);
});

test('explorer sign-out: what the editor stores between sign-out and reload is discarded', async () => {
  const { edit, leave, stored } = await openWindow();
  edit();
  await vi.advanceTimersByTimeAsync(300);
  leave();
  const atSignOut = stored();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(stored()).toBe(atSignOut);
});

test('explorer sign-out: a token that is refreshed during sign-out is not stored', async () => {
  const { session, leave, stored } = await openWindow();
  const refreshed = session.signIn({ token: 'a token', refresh: null });
  leave();
  await refreshed;
  expect(stored()).not.toContain('a token');
});

test('explorer sign-out: clearing the storage removes the keys of the editor only', async () => {
  const { local, edit, localStorage } = await openWindow();
  edit();
  await vi.advanceTimersByTimeAsync(500);
  local.setItem('isthmus:filled', '{}');
  expect(local.length).toBe(3);
  local.clear();
  expect([...localStorage.entries.keys()]).toEqual(['isthmus:filled']);
});
