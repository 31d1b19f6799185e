/** Who may introspect the graph: callers with a role, over every transport; for all others, errors suggest no names. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTarget, type Target } from './attack/target.ts';

const QUERY = '{ __schema { queryType { name } } }';
let target: Target;
let known: Record<string, string>;
let roleless: Record<string, string>;

beforeAll(async () => {
  target = await openTarget({}, 'roles');
  const bearer = async (role: string) => ({
    authorization: `Bearer ${await target.issuer.sign({ role, seconds: 60 })}`,
  });
  known = await bearer('analyst');
  roleless = await bearer('nothing-here');
});
afterAll(() => target?.close());

const overSocket = async (headers: Record<string, string>, query: string): Promise<string> => {
  const init = { type: 'connection_init' };
  const subscribe = { id: '1', type: 'subscribe', payload: { query } };
  return (await target.openWebSocket([init, subscribe], { headers, wait: 300 })).received.join('\n');
};

test('allows introspection for a caller with a role, over HTTP and WebSocket, repeatedly', async () => {
  for (let i = 0; i < 3; i++) {
    expect((await target.post({ query: QUERY }, known)).text).toBe(
      '{"data":{"__schema":{"queryType":{"name":"Query"}}}}\n'.trim(),
    );
  }
  expect(await overSocket(known, QUERY)).toContain('"queryType"');
});

test('rejects introspection without a token or role, even after the same text was allowed for another caller', async () => {
  await target.post({ query: QUERY }, known);
  for (const headers of [{}, roleless]) {
    const answer = await target.post({ query: QUERY }, headers);
    expect(answer.text).toContain('Introspection is off for callers without a role');
    expect(answer.text).not.toContain('queryType');
    expect(await overSocket(headers, QUERY)).toContain('Introspection is off');
  }
});

test('rejects introspection through a persisted query of another caller', async () => {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(QUERY));
  const extensions = { persistedQuery: { version: 1, sha256Hash: Buffer.from(hash).toString('hex') } };
  expect((await target.post({ query: QUERY, extensions }, known)).text).toContain('queryType');
  const answer = await target.post({ extensions }, {});
  expect(answer.text).toContain('Introspection is off');
  expect(answer.text).not.toContain('queryType');
});

test('introspection: suggests names only to a caller with a role', async () => {
  const wrong = { query: '{ pingg }' };
  expect((await target.post(wrong, known)).text).toContain('Did you mean');
  for (const headers of [{}, roleless]) expect((await target.post(wrong, headers)).text).not.toContain('Did you mean');
  expect(await overSocket({}, wrong.query)).not.toContain('Did you mean');
  expect(await overSocket(known, wrong.query)).toContain('Did you mean');
});
