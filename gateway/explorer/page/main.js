/** The explorer's page: who asks, and GraphiQL over this hub with the example operations as tabs. Bundled by ../build.js; runs in a browser. */
import 'graphiql/style.css';
import './page.css';
// Made by build.js from ../operations.
import operations from 'operations';
import { createElement as h, useSyncExternalStore } from 'react';
import { createRoot } from 'react-dom/client';
import { Editor } from './editor.js';
import { filled, forget, NOTHING } from './examples.ts';
import { makeFetcher } from './graphql-request.ts';
import { wordsFor } from './messages.ts';
import { Session } from './session.ts';
import { begin, explain, finish, isReturn, pendingClient } from './sign-in.ts';
import { SignIn } from './sign-in-form.js';
import { Bar } from './toolbar.js';

const words = wordsFor(navigator.language);
document.documentElement.lang = /^zh\b/i.test(navigator.language) ? 'zh' : 'en';
document.title = words.title;

/** The page's own folder: where issuers send the browser back to. */
const home = new URL('.', window.location.href);
home.search = '';
home.hash = '';
const store = window.sessionStorage;
/** Said once, after the page was loaded anew. */
const NOTICE = 'isthmus:notice';
const call = (address, options) => window.fetch(address, options);
const signInOptions = { redirect: home.href, store, fetch: call };
const session = new Session({ address: new URL('caller', home), fetch: call, store, words });
const fetcher = makeFetcher(new URL('../graphql', home), session, words);
const missing = { park: words.fillPark, company: words.fillCompany };

let clients = [];

/** Resolves to what went wrong; else the browser leaves the page. */
async function signInAt(client) {
  if (!window.isSecureContext) return words.insecure;
  try {
    window.location.assign(await begin(client, signInOptions));
    return null;
  } catch (error) {
    return explain(error, client, home.origin, words);
  }
}

const useToken = (text) => session.use({ token: text.trim().replace(/^Bearer\s+/i, ''), refresh: null });

function signOut() {
  forget(
    window.localStorage,
    operations.map(({ query, variables }) => ({ query, variables: filled(variables, NOTHING, missing, new Date()) })),
  );
  session.signOut();
  store.setItem(NOTICE, words.signedOut);
  // Answers, subscriptions and what GraphiQL holds of them end with the page.
  window.location.replace(home);
}

/** Takes up what the issuer said; the address is cleaned before anything else is asked. */
async function start() {
  const address = new URL(window.location.href);
  if (address.search) window.history.replaceState(null, '', home);
  const settings = await call(new URL('settings.json', home))
    .then((answer) => answer.json())
    .catch(() => ({ clients: [] }));
  clients = settings.clients ?? [];
  const notice = store.getItem(NOTICE) ?? undefined;
  store.removeItem(NOTICE);
  if (!isReturn(address)) return session.start(notice);
  const client = pendingClient(clients, store);
  if (!client) return session.start(words.notBegun);
  try {
    const fault = await session.use(await finish(client, address, signInOptions));
    if (fault !== null) await session.start(fault);
  } catch (error) {
    await session.start(explain(error, client, home.origin, words));
  }
}

function Page() {
  const state = useSyncExternalStore(session.subscribe, () => session.state);
  const form = { words, clients, signInAt, useToken };
  if (state.kind === 'starting') return null;
  if (state.kind === 'out')
    return h('main', { className: 'isthmus-out' }, h(SignIn, { ...form, title: words.title, message: state.message }));
  const { caller } = state;
  return h(
    'div',
    { className: 'isthmus-page' },
    h(Bar, { state, form, signOut }),
    // Another caller sees another graph, and none of the answers of the one before.
    h(Editor, { key: `${caller.subject} ${caller.roles}`, fetcher, operations, missing }),
  );
}

const root = createRoot(document.getElementById('explorer'));
void start().finally(() => root.render(h(Page)));
