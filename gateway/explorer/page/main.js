/** The explorer's page: GraphiQL over this hub, with the reference operations as tabs. Bundled by ../build.js; runs in a browser. */
import 'graphiql/style.css';
import './page.css';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { getOperationAST, parse } from 'graphql';
import { createClient } from 'graphql-ws';
// Made by build.js from ../operations.
import operations from 'operations';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import { withTimes } from './times.ts';

const address = new URL('../graphql', window.location.href);
const socketAddress = new URL(address);
socketAddress.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';

let headers = {};
/** One socket for all tabs; opened by the first subscription, closed after the last. */
const socket = createClient({
  url: socketAddress.href,
  lazy: true,
  retryAttempts: 10,
  connectionParams: () => {
    const authorization = Object.entries(headers).find(([name]) => name.toLowerCase() === 'authorization')?.[1];
    return authorization ? { authorization } : {};
  },
});

const overHttp = createGraphiQLFetcher({ url: address.href, enableIncrementalDelivery: false });

/**
 * What the editor says of a document may be some keystrokes behind it, so it is read anew: a lone operation is the one
 * meant, whatever it was called before. A document that does not parse goes to the hub, whose error is the better one.
 */
function readAnew(request) {
  try {
    const document = parse(request.query);
    const lone = getOperationAST(document);
    const operation = lone ?? getOperationAST(document, request.operationName);
    return { request: lone ? { ...request, operationName: lone.name?.value } : request, kind: operation?.operation };
  } catch {
    return { request, kind: undefined };
  }
}

/** Queries and mutations by HTTP, subscriptions by WebSocket. */
const fetcher = (given, options) => {
  const { request, kind } = readAnew(given);
  if (kind !== 'subscription') return overHttp(request, options);
  headers = options?.headers ?? {};
  return socket.iterate(request);
};

const defaultTabs = operations.map(({ query, variables }) => ({
  query,
  variables: variables && JSON.stringify(withTimes(variables, new Date()), null, 2),
}));

const logo = createElement(GraphiQL.Logo, null, createElement('span', { className: 'isthmus-logo' }, 'Isthmus'));

createRoot(document.getElementById('explorer')).render(
  createElement(GraphiQL, { fetcher, defaultTabs, isHeadersEditorEnabled: true, shouldPersistHeaders: false }, logo),
);
