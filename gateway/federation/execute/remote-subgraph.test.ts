import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { hubCall } from '../../../connectors/kit/host/services.ts';
import { remoteSubgraph } from './remote-subgraph.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
}

const call = (milliseconds = 2_000) => hubCall(milliseconds, new AbortController().signal);
const ask = (url: string, milliseconds?: number, maxBytes?: number) =>
  remoteSubgraph({ name: 'far', url, headers: () => ({ 'x-who': 'me' }), ...(maxBytes ? { maxBytes } : {}) }).execute({
    query: '{ a }',
    variables: { n: 1 },
    call: call(milliseconds),
  });

describe('a subgraph over HTTP', () => {
  test('receives query, variables and headers, and its response and conditions are returned', async () => {
    let seen = '';
    const url = await serve((request, response) => {
      request.on('data', (part) => {
        seen += String(part);
      });
      request.on('end', () => {
        seen += String(request.headers['x-who']);
        response.end(JSON.stringify({ data: { a: 1 }, extensions: { sources: { 'far-1': 'stale' } } }));
      });
    });
    const farCall = call();
    const far = remoteSubgraph({ name: 'far', url, headers: () => ({ 'x-who': 'me' }) });
    expect(await far.execute({ query: '{ a }', variables: { n: 1 }, call: farCall })).toMatchObject({ data: { a: 1 } });
    expect(seen).toBe('{"query":"{ a }","variables":{"n":1}}me');
    expect(farCall.sourceConditions.get('far-1')).toBe('stale');
  });

  test('rejects with a code for timeout, invalid response, HTTP error, size limit and no connection', async () => {
    const silent = await serve(() => undefined);
    await expect(ask(silent, 50)).rejects.toMatchObject({ code: 'SOURCE_TIMEOUT' });
    const nonsense = await serve((_, response) => response.end('<html>'));
    await expect(ask(nonsense)).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
    const failing = await serve((_, response) => {
      response.statusCode = 502;
      response.end('<html>');
    });
    await expect(ask(failing)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
    const large = await serve((_, response) => response.end(JSON.stringify({ data: { a: 'x'.repeat(5_000) } })));
    await expect(ask(large, 2_000, 1_000)).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
    await expect(ask('http://127.0.0.1:1/graphql')).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });
});
