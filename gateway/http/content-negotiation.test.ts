import { expect, test } from 'vitest';
import { type Accepted, readAccept } from './content-negotiation.ts';

const URQL =
  'application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed';
const APOLLO =
  'multipart/mixed;boundary="graphql";subscriptionSpec="1.0",application/graphql-response+json,application/json;q=0.9';
const CHROMIUM = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';

const CASES: readonly (readonly [string | undefined, Partial<Accepted>])[] = [
  [undefined, { json: true, stream: null, prefersHtml: false, jsonType: 'application/json' }],
  ['*/*', { json: true, stream: null, prefersHtml: false, jsonType: 'application/json' }],
  ['application/*', { json: true, stream: null }],
  [URQL, { json: true, stream: 'sse', jsonType: 'application/graphql-response+json' }],
  [APOLLO, { json: true, stream: 'multipart', jsonType: 'application/graphql-response+json' }],
  [CHROMIUM, { json: true, stream: null, prefersHtml: true }],
  ['text/event-stream', { json: false, stream: 'sse' }],
  ['TEXT/EVENT-STREAM ; charset=utf-8', { json: false, stream: 'sse' }],
  ['text/event-stream, */*;q=0.1', { json: true, stream: 'sse' }],
  ['text/event-stream;q=0, application/json', { json: true, stream: null }],
  ['application/json;q=0, text/event-stream', { json: false, stream: 'sse' }],
  ['application/json;q=0, */*', { json: true }],
  ['application/json;q=0, application/graphql-response+json;q=0.000, */*', { json: false }],
  ['application/*;q=0, */*', { json: false }],
  ['multipart/mixed', { json: false, stream: null }],
  ['text/event-stream;q=0.5, multipart/mixed;subscriptionSpec=1.0', { stream: 'multipart' }],
  ['text/event-stream, multipart/mixed;subscriptionSpec=1.0;q=0.5', { stream: 'sse' }],
  ['multipart/mixed;subscriptionSpec=1.0, text/event-stream', { stream: 'multipart' }],
  ['application/graphql-response+json;q=0.9, application/json', { jsonType: 'application/json' }],
  ['application/json;q=0.5, application/graphql-response+json', { jsonType: 'application/graphql-response+json' }],
  ['application/graphql-response+json;q=0', { json: false, jsonType: 'application/json' }],
  ['text/html;q=0.5, application/json', { prefersHtml: false }],
  ['application/json;q=0.5, text/html', { prefersHtml: true }],
  ['image/png', { json: false, stream: null, prefersHtml: false }],
  ['', { json: false, stream: null, prefersHtml: false }],
];

test.each(CASES)('content negotiation: accept: %s', (header, expected) => {
  expect(readAccept(header)).toMatchObject(expected);
});
