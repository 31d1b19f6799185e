/** What the explorer's page uses of each package. build.js bundles it into libraries.min.js; a page file that needs another name adds it here. */
import 'graphiql/style.css';

export { createGraphiQLFetcher } from '@graphiql/toolkit';
export { GraphiQL } from 'graphiql';
export { getOperationAST, parse } from 'graphql';
export { CloseCode, createClient } from 'graphql-ws';
export * from 'oauth4webapi';
export { createElement, useEffect, useId, useState, useSyncExternalStore } from 'react';
export { createRoot } from 'react-dom/client';
