import { conformance } from '../kit/testing/conformance/conformance.ts';
import template from './index.ts';
import * as mapping from './mapping.ts';
import { simulator } from './simulator.ts';

conformance({
  connector: template,
  simulator,
  folder: import.meta.dirname,
  settings: ({ env }) => ({ url: env['TEMPLATE_URL'], token: env['TEMPLATE_TOKEN'] }),
  settingsAt: ({ host, port }, { env }) => ({ url: `http://${host}:${port}`, token: env['TEMPLATE_TOKEN'] }),
  sampleQuery: (world) => ({
    query:
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { templateNotices { notices { title } } } } }',
    variables: { r: [{ __typename: 'Company', uscc: world.companies[0]?.uscc }] },
    check: (data) => {
      const text = JSON.stringify(data);
      if (!text.includes('Fire drill')) throw new Error(`no notice in ${text}`);
    },
  }),
  batch: (world) => ({
    representations: [world.companies[0]?.uscc, '91350100M000100Y43', world.companies[1]?.uscc].map((uscc) => ({
      __typename: 'Company',
      uscc,
    })),
    selection: '... on Company { uscc templateNotices { notices { title } } }',
    unknown: 1,
    isUnknown: (entity) => (entity?.['templateNotices'] as { notices: unknown[] } | null)?.notices.length === 0,
    calls: 1,
  }),
  live: {
    query:
      'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { templateNotices { notices { title } } } } }',
    variables: (world) => ({ r: [{ __typename: 'Company', uscc: world.companies[0]?.uscc }] }),
  },
  ingest: {},
  malformed: {
    serve: (socket) =>
      socket.on('data', () =>
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\n{"rows":"no"}'),
      ),
    field: /rows is not a list/,
  },
  rejection: {
    serve: (socket, onRejected) =>
      socket.on('data', () => {
        onRejected();
        socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}');
      }),
  },
  fixture: (_name, bytes) => mapping.notices(JSON.parse(bytes.toString('utf8'))),
});
