/** Attack probes: documents, requests, tokens and WebSockets, each with what it sends and what counts as rejected. */
import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Reply, Target } from './target.ts';

export interface Probe {
  readonly name: string;
  /** Resolves to true if the attack was rejected. Nothing of it may reach the source. */
  isRejected(target: Target): Promise<boolean>;
}

/** Error codes of a GraphQL response; empty if it is not a GraphQL response. */
export function errorCodes({ text }: Pick<Reply, 'text'>): string[] {
  try {
    const { errors } = JSON.parse(text) as { errors?: { extensions?: { code?: string } }[] };
    return (errors ?? []).map((error) => error.extensions?.code ?? 'none');
  } catch {
    return [];
  }
}

const LIMIT = /^LIMIT_/;
const document = (name: string, query: string, expected: RegExp = LIMIT): Probe => ({
  name,
  isRejected: async (target) => errorCodes(await target.post({ query })).some((code) => expected.test(code)),
});
const many = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join(' ');
const nested = (depth: number, inner = 'id'): string => `{ ${'lots { '.repeat(depth)}${inner}${' }'.repeat(depth)} }`;

export const DOCUMENTS: readonly Probe[] = [
  document('depth: nested fields', nested(40)),
  document('depth: hidden in a fragment', `{ ...a } fragment a on Query ${nested(20)}`),
  document(
    'depth: hidden in inline fragments',
    `{ ${'... on Query { '.repeat(150)} ping ${'}'.repeat(150)} }`,
    /LIMIT|VALIDATION/,
  ),
  document('depth: in an unused fragment', `{ ping } fragment a on Query ${nested(20)}`),
  document('depth: in the second operation', `query a { ping } query b ${nested(20)}`),
  document('recursion: only brackets', '{a'.repeat(20_000)),
  document('recursion: nested lists', `{ echo(list: ${'['.repeat(40_000)}`),
  document('recursion: nested objects', `{ echo(text: ${'{a:'.repeat(5_000)}`),
  document('recursion: nested list types', `query (${'$a: ['.repeat(3_000)}`),
  document('recursion: brackets after a comment', `# "\n${'{a'.repeat(5_000)}`),
  document('recursion: brackets after a string', `{ echo(text: "\\"" ) ${'{a'.repeat(5_000)}`),
  document('aliases: one field a thousand times', `{ ${many(1_000, (i) => `a${i}: ping`)} }`),
  document('aliases: batched mutations', `mutation { ${many(100, (i) => `a${i}: touch(id: "${i}")`)} }`),
  document(
    'aliases: distributed over fragments',
    `{ ${many(10, (i) => `...f${i}`)} } ${many(10, (i) => `fragment f${i} on Query { ${many(9, (n) => `a${i}x${n}: ping`)} }`)}`,
  ),
  document('fields: the same field ten thousand times', `{ ${'ping '.repeat(10_000)} }`),
  document('fields: thousands of overlapping selections', `{ ${many(3_000, () => 'lots { id }')} }`),
  document('directives: two thousand on one field', `{ ping ${'@include(if: true) '.repeat(2_000)} }`),
  document('directives: unknown names', `{ ping ${many(100, (i) => `@x${i}`)} }`),
  document('directives: on the operation', `query ${many(100, () => '@a')} { ping }`),
  document(
    'fragments: billion laughs',
    `{ ...f0 } ${many(20, (i) => `fragment f${i} on Query { ...f${i + 1} ...f${i + 1} }`)} fragment f20 on Query { ping }`,
  ),
  document(
    'fragments: a cycle',
    '{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }',
    /LIMIT|VALIDATION/,
  ),
  document(
    'fragments: a fragment that spreads itself',
    '{ ...a } fragment a on Query { ...a ping }',
    /LIMIT|VALIDATION/,
  ),
  document(
    'operations: one thousand',
    many(1_000, (i) => `query q${i} { ping }`),
  ),
  document('tokens: a hundred thousand', `query (${'$a:A '.repeat(15_000)}) { ping }`),
  document('text: half a megabyte', `{ echo(text: "${'a'.repeat(400_000)}") }`),
  document('text: half a megabyte of comments', `#${'a'.repeat(400_000)}\n{ ping }`),
  document('text: spaces', `${' '.repeat(300_000)}{ ping }`),
  document('root fields: thirty', `{ ${'ping '.repeat(30)} }`),
  document('cost: nested pages', '{ lots(first: 1000) { lots(first: 1000) { lots(first: 1000) { id } } } }'),
  document('cost: nested pages without page sizes', '{ lots { lots { lots { lots { id } } } } }'),
  document('cost: one expensive field', '{ dear }'),
  {
    name: 'cost: page size in a variable',
    isRejected: async (target) =>
      errorCodes(
        await target.post({
          query: 'query ($n: Int) { lots(first: $n) { lots(first: $n) { id } } }',
          variables: { n: 100_000 },
        }),
      ).includes('LIMIT_COST'),
  },
  document('introspection: the whole graph', '{ __schema { types { name } } }', /VALIDATION/),
  document('introspection: one type', '{ __type(name: "Query") { fields { name } } }', /VALIDATION/),
  document(
    'introspection: circular',
    '{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }',
    /VALIDATION|LIMIT/,
  ),
  document(
    'introspection: in a fragment',
    '{ ...a } fragment a on Query { x: __schema { types { name } } }',
    /VALIDATION/,
  ),
  {
    name: 'introspection: through suggestions',
    isRejected: async (target) => {
      const answer = await target.post({ query: '{ secrt }' });
      return errorCodes(answer).includes('GRAPHQL_VALIDATION_FAILED') && !/did you mean|"secret"/i.test(answer.text);
    },
  },
  document('an inaccessible field of the hub', '{ _inner }', /VALIDATION/),
  document('entities of a subgraph', '{ _entities(representations: []) { __typename } }', /VALIDATION/),
  document('SDL of a subgraph', '{ _service { sdl } }', /VALIDATION/),
  document('an empty document', '', /BAD|PARSE|RESOLUTION|VALIDATION/),
  document('a document that is not GraphQL', 'SELECT * FROM secret', /PARSE/),
  document('permission: anonymous', '{ secret }', /UNAUTHENTICATED/),
  document(
    'permission: through an alias and a fragment',
    '{ ...a } fragment a on Query { open: secret }',
    /UNAUTHENTICATED/,
  ),
  document('permission: with @include', '{ secret @include(if: true) }', /UNAUTHENTICATED/),
  document('permission: of the type behind an interface', '{ node { ... on Vault { gold } } }', /UNAUTHENTICATED/),
  document('permission: in a mutation', 'mutation { touch(id: 1) }', /UNAUTHENTICATED/),
  document('permission: consent', '{ taxed }', /UNAUTHENTICATED/),
];

const status = (name: string, wanted: readonly number[], send: (target: Target) => Promise<Reply>): Probe => ({
  name,
  isRejected: async (target) => {
    const answer = await send(target);
    return wanted.includes(answer.status) && !answer.text.includes('pong');
  },
});
const PING = JSON.stringify({ query: '{ ping }' });
const post =
  (headers: Record<string, string>, body: string | Buffer = PING) =>
  (target: Target) =>
    target.send({ headers, body });
const JSON_HEADER = { 'content-type': 'application/json' };

export const REQUESTS: readonly Probe[] = [
  status('CSRF: a form', [400, 415], post({ 'content-type': 'application/x-www-form-urlencoded' }, 'query={ping}')),
  status(
    'CSRF: multipart',
    [400, 415],
    post(
      { 'content-type': 'multipart/form-data; boundary=x' },
      '--x\r\ncontent-disposition: form-data; name="operations"\r\n\r\n{"query":"{ping}"}\r\n--x--',
    ),
  ),
  status('CSRF: JSON as plain text', [400, 415], post({ 'content-type': 'text/plain' })),
  status('CSRF: no content type', [400, 415], post({})),
  status('CSRF: an image request by GET', [400], (target) =>
    target.send({ method: 'GET', path: '/graphql?query={ping}' }),
  ),
  status('a mutation by GET', [405], (target) =>
    target.send({
      method: 'GET',
      path: '/graphql?query=mutation{touch(id:1)}',
      headers: { 'apollo-require-preflight': 'yes' },
    }),
  ),
  status('another method', [400, 404, 405], (target) =>
    target.send({ method: 'PUT', headers: JSON_HEADER, body: PING }),
  ),
  status('TRACE', [400, 404, 405], (target) => target.send({ method: 'TRACE' })),
  {
    name: 'CORS: a page of another origin',
    isRejected: async (target) => {
      const headers = {
        origin: 'https://evil.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      };
      const response = await target.send({ method: 'OPTIONS', headers });
      return [response].every((one) => !Object.keys(one.headers).some((name) => name.startsWith('access-control-')));
    },
  },
  status('batch of a thousand', [400], (target) =>
    target.post(Array.from({ length: 1_000 }, () => ({ query: '{ ping }' }))),
  ),
  status('body: a megabyte', [413, 0], (target) => target.post(`{"query":"${'a'.repeat(1_000_000)}"}`)),
  status('body: a false Content-Length', [413], (target) =>
    target.send({ headers: { ...JSON_HEADER, 'content-length': '99999999999' } }),
  ),
  status('body: endless, chunked', [413, 0], (target) =>
    target.send({ headers: { ...JSON_HEADER, 'transfer-encoding': 'chunked' }, body: 'a'.repeat(2_000_000) }),
  ),
  status(
    'bomb: gzip, 60 MB in 60 kB',
    [415],
    post({ ...JSON_HEADER, 'content-encoding': 'gzip' }, gzipSync(Buffer.alloc(20_000_000, 32))),
  ),
  status('bomb: deflate', [415], post({ ...JSON_HEADER, 'content-encoding': 'deflate' }, 'x')),
  status('bomb: gzip in gzip', [415], post({ ...JSON_HEADER, 'content-encoding': 'gzip, gzip' }, 'x')),
  status('bomb: brotli', [415], post({ ...JSON_HEADER, 'content-encoding': 'br' }, 'x')),
  status('JSON: 200,000 opening brackets', [400], (target) => target.post('['.repeat(200_000))),
  status('JSON: not closed', [400], (target) => target.post('{"query":')),
  status('JSON: a number', [400], (target) => target.post('7')),
  status('JSON: query is an object', [400], (target) => target.post({ query: { $gt: '' } })),
  status('JSON: variables are text', [400], (target) => target.post({ query: '{ ping }', variables: '1' })),
  {
    name: 'JSON: __proto__ in variables',
    isRejected: async (target) => {
      await target.post(
        '{"query":"query ($t: String) { signedIn }","variables":{"__proto__":{"principal":{}},"constructor":{"prototype":{"x":1}}}}',
      );
      return (
        ({} as Record<string, unknown>)['principal'] === undefined && ({} as Record<string, unknown>)['x'] === undefined
      );
    },
  },
  status('persisted query with a false hash', [400, 500, 200], (target) =>
    target.post({ query: '{ secret }', extensions: { persistedQuery: { version: 1, sha256Hash: '0'.repeat(64) } } }),
  ),
  status('headers: 32 kB', [431, 0, 400], (target) => target.send({ headers: { 'x-a': 'a'.repeat(32_000) } })),
  status('path: traversal', [404, 400], (target) =>
    target.send({ method: 'GET', path: '/explorer/../../package.json' }),
  ),
  status('path: encoded traversal', [404, 400], (target) =>
    target.send({ method: 'GET', path: '/explorer/..%2f..%2fpackage.json' }),
  ),
  status('path: invalid encoding', [400], (target) => target.send({ method: 'GET', path: '/explorer/%E0%A4%A' })),
  status('path: a NUL', [404, 400], (target) => target.send({ method: 'GET', path: '/explorer/index.html%00.js' })),
  status('path: another host', [400, 404], (target) =>
    target.send({ method: 'GET', path: 'http://169.254.169.254/latest' }),
  ),
  status('webhook: unknown installation', [404], (target) => target.send({ path: '/webhooks/nobody', body: '{}' })),
  {
    name: 'smuggling: two Content-Length headers',
    isRejected: async (target) =>
      /^HTTP\/1\.1 400/.test(
        (
          await target.sendRaw(
            'POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!',
          )
        ).text,
      ),
  },
  {
    name: 'smuggling: Content-Length and chunked',
    isRejected: async (target) =>
      /^HTTP\/1\.1 400/.test(
        (
          await target.sendRaw(
            'POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
          )
        ).text,
      ),
  },
  {
    name: 'slowloris: headers that never end',
    isRejected: async (target) => (await target.sendRaw('GET /graphql HTTP/1.1\r\nHost: a\r\nX-A: ')).closed,
  },
  {
    name: 'slowloris: a body that never arrives',
    isRejected: async (target) =>
      (
        await target.sendRaw(
          'POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
        )
      ).closed,
  },
  {
    name: 'slowloris: two hundred at once',
    isRejected: async (target) =>
      (
        await Promise.all(Array.from({ length: 200 }, () => target.sendRaw('POST /graphql HTTP/1.1\r\nHost: a\r\n')))
      ).every((one) => one.closed),
  },
];

const b64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
/** A probe with a forged token, made from a valid one. */
const token = (name: string, make: (target: Target, good: string) => Promise<string> | string): Probe => ({
  name: `token: ${name}`,
  isRejected: async (target) => {
    const good = await target.issuer.sign({ role: 'company', companies: ['x'], seconds: 60 });
    const answer = await target.post({ query: '{ secret }' }, { authorization: `Bearer ${await make(target, good)}` });
    return answer.status === 401 && errorCodes(answer).includes('UNAUTHENTICATED') && !answer.text.includes('treasure');
  },
});
const parts = (good: string) => good.split('.') as [string, string, string];
const headOf = (good: string) =>
  JSON.parse(Buffer.from(parts(good)[0], 'base64url').toString()) as Record<string, unknown>;
const claimsOf = (good: string) =>
  JSON.parse(Buffer.from(parts(good)[1], 'base64url').toString()) as Record<string, unknown>;
const changed = (claims: object) => (_: Target, good: string) =>
  `${parts(good)[0]}.${b64({ ...claimsOf(good), ...claims })}.${parts(good)[2]}`;

export const TOKENS: readonly Probe[] = [
  token('alg none', (_, good) => `${b64({ ...headOf(good), alg: 'none' })}.${parts(good)[1]}.`),
  token(
    'alg none, signature kept',
    (_, good) => `${b64({ ...headOf(good), alg: 'none' })}.${parts(good)[1]}.${parts(good)[2]}`,
  ),
  token('HMAC with the public key', (target, good) => {
    const text = `${b64({ ...headOf(good), alg: 'HS256' })}.${parts(good)[1]}`;
    return `${text}.${createHmac('sha256', JSON.stringify(target.issuer.jwks.keys[0])).update(text).digest('base64url')}`;
  }),
  token('HMAC with an empty key', (_, good) => {
    const text = `${b64({ ...headOf(good), alg: 'HS256' })}.${parts(good)[1]}`;
    return `${text}.${createHmac('sha256', '').update(text).digest('base64url')}`;
  }),
  token('more roles', changed({ roles: ['developer', 'operator'] })),
  token('another subject', changed({ sub: 'root' })),
  token('another issuer', changed({ iss: 'https://evil.example' })),
  token('another audience', changed({ aud: 'other' })),
  token('no expiry', changed({ exp: undefined })),
  token(
    'signature of zeros',
    (_, good) => `${parts(good)[0]}.${parts(good)[1]}.${Buffer.alloc(64).toString('base64url')}`,
  ),
  token('truncated signature', (_, good) => good.slice(0, -10)),
  token(
    'key id as a path',
    (_, good) => `${b64({ ...headOf(good), kid: '../../dev/null' })}.${parts(good)[1]}.${parts(good)[2]}`,
  ),
  token(
    'key id as SQL',
    (_, good) => `${b64({ ...headOf(good), kid: "x' UNION SELECT 'k" })}.${parts(good)[1]}.${parts(good)[2]}`,
  ),
  token(
    'key embedded in the header',
    (_, good) => `${b64({ ...headOf(good), jwk: { kty: 'EC' } })}.${parts(good)[1]}.${parts(good)[2]}`,
  ),
  token(
    'key URL inside the network',
    (_, good) => `${b64({ ...headOf(good), jku: 'http://169.254.169.254/' })}.${parts(good)[1]}.${parts(good)[2]}`,
  ),
  token('another type', (_, good) => `${b64({ ...headOf(good), typ: 'JWT' })}.${parts(good)[1]}.${parts(good)[2]}`),
  token('expired', (target) =>
    target.issuer.sign({ role: 'company', companies: ['x'], seconds: 60 }, new Date(Date.now() - 3_600_000)),
  ),
  token('issued in the future', (target) =>
    target.issuer.sign({ role: 'company', companies: ['x'], seconds: 60 }, new Date(Date.now() + 86_400_000)),
  ),
  token('two tokens', (_, good) => `${good} ${good}`),
  token('not a token', () => 'x'),
  {
    name: 'token: a role without the permission',
    isRejected: async (target) => {
      const good = await target.issuer.sign({ role: 'analyst', seconds: 60 });
      return (
        errorCodes(await target.post({ query: '{ secret taxed }' }, { authorization: `Bearer ${good}` }))
          .sort()
          .join(' ') === 'CONSENT_REQUIRED FORBIDDEN'
      );
    },
  },
  {
    name: 'token: an unknown role',
    isRejected: async (target) => {
      const good = await target.issuer.sign({ role: 'root', seconds: 60 });
      return errorCodes(await target.post({ query: '{ secret }' }, { authorization: `Bearer ${good}` })).includes(
        'FORBIDDEN',
      );
    },
  },
];

const INIT = { type: 'connection_init' };
const subscribe = (query: string, id = '1') => ({ type: 'subscribe', id, payload: { query } });
const socket = (
  name: string,
  messages: readonly unknown[],
  wanted: (code: number | null, received: string) => boolean,
  options = {},
): Probe => ({
  name: `socket: ${name}`,
  isRejected: async (target) => {
    const { code, received } = await target.openWebSocket(messages, options);
    return wanted(code, received.join('\n'));
  },
});
const error = (pattern: RegExp) => (_: number | null, received: string) =>
  pattern.test(received) && !/pong/.test(received);
const BRIEF = { wait: 400 };

export const SOCKETS: readonly Probe[] = [
  socket('a page of another origin', [], (code) => code === 403, { headers: { origin: 'https://evil.example' } }),
  socket('a page with the origin null', [], (code) => code === 403, { headers: { origin: 'null' } }),
  socket('an unsupported subprotocol', [INIT], (code) => code !== null && code >= 400, { protocol: 'soap' }),
  socket('an operation before connection_init', [subscribe('{ ping }')], (code) => code === 4401),
  socket('two connection_init messages', [INIT, INIT], (code) => code === 4429),
  socket('the same id twice', [INIT, subscribe('subscription { a }', 'x'), 'nonsense'], (code) => code === 4400),
  socket('not JSON', ['{'], (code) => code === 4400),
  socket('an unknown message type', [{ type: 'open sesame' }], (code) => code === 4400),
  socket('a message of a megabyte', ['a'.repeat(1_000_000)], (code) => code === 1009),
  socket('a forged token', [{ ...INIT, payload: { authorization: 'Bearer a.b.c' } }], (code) => code === 4403),
  socket(
    'a token that is not a string',
    [{ ...INIT, payload: { authorization: { toString: 'x' } } }],
    (code) => code !== null && code >= 4000,
  ),
  socket('a deep document', [INIT, subscribe(nested(40))], error(/LIMIT_DEPTH/), BRIEF),
  socket('only brackets', [INIT, subscribe('{a'.repeat(20_000))], error(/LIMIT_/), BRIEF),
  socket('an expensive document', [INIT, subscribe('{ dear }')], error(/LIMIT_COST/), BRIEF),
  socket('introspection', [INIT, subscribe('{ __schema { types { name } } }')], error(/Introspection is off/), BRIEF),
  socket(
    'suggestions',
    [INIT, subscribe('{ secrt }')],
    (_, received) => /VALIDATION/.test(received) && !/did you mean/i.test(received),
    BRIEF,
  ),
  socket('a missing permission', [INIT, subscribe('{ secret }')], error(/UNAUTHENTICATED/), BRIEF),
  {
    name: 'socket: an expiring token',
    isRejected: async (target) => {
      const good = await target.issuer.sign({ role: 'company', companies: ['x'], seconds: 1 });
      const { code } = await target.openWebSocket([{ ...INIT, payload: { authorization: `Bearer ${good}` } }], {
        wait: 3_000,
      });
      return code === 4403;
    },
  },
];
