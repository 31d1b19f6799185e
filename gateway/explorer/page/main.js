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
import { follow } from '../../client/index.ts';
import { withTimes } from './times.ts';

const address = new URL('../graphql', window.location.href);
const socketAddress = new URL(address);
socketAddress.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';

let headers = {};
const connectionParams = () => {
  const authorization = Object.entries(headers).find(([name]) => name.toLowerCase() === 'authorization')?.[1];
  return authorization ? { authorization } : {};
};
/** One socket for all tabs that cannot resume; opened by the first subscription, closed after the last. */
const socket = createClient({ url: socketAddress.href, lazy: true, retryAttempts: 10, connectionParams });

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
    return {
      request: lone ? { ...request, operationName: lone.name?.value } : request,
      kind: operation?.operation,
      resumes: operation?.variableDefinitions?.some((one) => one.variable.name.value === 'after'),
    };
  } catch {
    return { request, kind: undefined, resumes: false };
  }
}

/** Queries and mutations by HTTP, subscriptions by WebSocket: behind the last cursor after any break, where the document takes `$after`. */
const fetcher = (given, options) => {
  const { request, kind, resumes } = readAnew(given);
  if (kind !== 'subscription') return overHttp(request, options);
  headers = options?.headers ?? {};
  if (!resumes) return socket.iterate(request);
  const { query, operationName, variables } = request;
  return follow({
    url: socketAddress.href,
    query,
    operationName,
    variables,
    after: variables?.after ?? null,
    connectionParams,
  });
};

const defaultTabs = operations.map(({ query, variables }) => ({
  query,
  variables: variables && JSON.stringify(withTimes(variables, new Date()), null, 2),
}));

const logo = createElement(GraphiQL.Logo, null, createElement('span', { className: 'isthmus-logo' }, 'Isthmus'));

createRoot(document.getElementById('explorer')).render(
  createElement(GraphiQL, { fetcher, defaultTabs, isHeadersEditorEnabled: true, shouldPersistHeaders: false }, logo),
);
