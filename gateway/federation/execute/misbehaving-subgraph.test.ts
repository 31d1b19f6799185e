/** Misbehaving subgraphs over HTTP: their fields are null, each with one error at its path; other fields have their values. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { hubCall } from '../../../connectors/kit/host/services.ts';
import { silentLog } from '../../../connectors/kit/log.ts';
import { compose } from '../../../schema/compose.ts';
import { createFederation, type FederatedResponse, remoteSubgraph } from '../index.ts';
import { fakeSubgraph } from '../testing/fake-subgraph.ts';

const near = fakeSubgraph(
  'near',
  'type Query { thing: Thing } type Thing @key(fields: "id") { id: ID! name: String }',
  { Query: { thing: () => ({ id: '1', name: 'near' }) } },
  { Thing: (reference) => reference },
);
const FAR = 'type Query { other: Int } type Thing @key(fields: "id") { id: ID! size: Int weight: Int! }';

type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;
const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function far(behaviour: Behaviour): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => behaviour(request, response));
  });
  servers.push(server);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
}

async function ask(behaviour: Behaviour, options: { time?: number; query?: string; signal?: AbortSignal } = {}) {
  const url = await far(behaviour);
  const subgraphs = [
    { name: 'near', sdl: near.sdl, url: 'http://near.test' },
    { name: 'far', sdl: near.sdl.slice(0, near.sdl.indexOf('\n') + 1) + FAR, url },
  ];
  const { supergraph } = compose(subgraphs);
  const federation = createFederation({
    supergraph,
    subgraphs: (name, address) => (name === 'near' ? near : remoteSubgraph({ name, url: address })),
    log: silentLog,
  });
  const compiled = federation.compile({ query: options.query ?? '{ thing { name size } other }' });
  if ('errors' in compiled) throw new Error(JSON.stringify(compiled.errors));
  const call = hubCall(options.time ?? 2_000, options.signal ?? new AbortController().signal);
  const response = (await federation.execute(compiled, { variables: {}, call })) as FederatedResponse;
  return {
    data: JSON.parse(response.json()) as unknown,
    errors: (response.errors ?? [])
      .map((error) => `${error.path?.join('.')} ${String(error.extensions?.['code'])}`)
      .sort(),
  };
}

const sends =
  (text: string, type = 'application/json'): Behaviour =>
  (_, response) => {
    response.setHeader('content-type', type);
    response.end(text);
  };

const NOTHING = { thing: { name: 'near', size: null }, other: null };
const both = (code: string) => [`other ${code}`, `thing.size ${code}`];

describe('a subgraph that', () => {
  test.each<[string, Behaviour, string]>([
    ['hangs', () => undefined, 'SOURCE_TIMEOUT'],
    [
      'sends a byte at a time',
      (_, response) => {
        response.write('{"data":{"a":"');
        const timer = setInterval(() => response.write('x'), 20);
        response.on('close', () => clearInterval(timer));
      },
      'SOURCE_TIMEOUT',
    ],
    ['resets the connection', (request) => void request.socket.resetAndDestroy(), 'SOURCE_UNAVAILABLE'],
    [
      'closes the connection in the middle of a response',
      (request, response) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{"data":');
        setTimeout(() => request.socket.destroy(), 20);
      },
      'SOURCE_UNAVAILABLE',
    ],
    ['sends incomplete JSON', sends('{"data":{"other":1,"_entiti'), 'SOURCE_MALFORMED'],
    ['sends HTML', sends('<html>It works!</html>', 'text/html'), 'SOURCE_MALFORMED'],
    ['sends JSON that is not a response', sends('[1,2]'), 'SOURCE_MALFORMED'],
    ['sends an empty body', sends(''), 'SOURCE_MALFORMED'],
    ['sends data of other types', sends('{"data":{"other":{"a":1},"_entities":"none"}}'), 'SOURCE_MALFORMED'],
    [
      'sends values that do not match the schema',
      sends('{"data":{"other":"one","_entities":[{"size":[1]}]}}'),
      'SOURCE_MALFORMED',
    ],
    ['sends errors that are a string', sends('{"data":{"other":1},"errors":"none"}'), 'SOURCE_MALFORMED'],
    ['sends errors that are an object', sends('{"data":{"other":1},"errors":{}}'), 'SOURCE_MALFORMED'],
    ['sends invalid errors', sends('{"errors":[{"message":1,"path":"x"},null]}'), 'SOURCE_MALFORMED'],
    ['sends data that is a list', sends('{"data":[1]}'), 'SOURCE_MALFORMED'],
    ['sends too few entities', sends('{"data":{"other":1.5,"_entities":[]}}'), 'SOURCE_MALFORMED'],
  ])('%s', async (_, behaviour, code) => {
    const { data, errors } = await ask(behaviour, { time: code === 'SOURCE_TIMEOUT' ? 200 : 5_000 });
    expect(data).toEqual(NOTHING);
    expect(errors).toEqual(both(code));
  });

  test('sends 50 MB is disconnected at the size limit', async () => {
    let written = 0;
    const part = Buffer.alloc(64 * 1024, 'x');
    const { data, errors } = await ask(
      (_, response) => {
        response.write('{"data":{"other":"');
        const more = (): void => {
          while (written < 50 * 1024 * 1024 && !response.destroyed) {
            written += part.length;
            if (!response.write(part)) {
              response.once('drain', more);
              return;
            }
          }
          response.end();
        };
        more();
      },
      { time: 20_000 },
    );
    expect(data).toEqual(NOTHING);
    expect(errors).toEqual(both('SOURCE_MALFORMED'));
    // Two requests, each ended at 16 MB and what the system holds.
    expect(written).toBeLessThan(45 * 1024 * 1024);
  });

  test('sends null for a non-null field: the response writer nulls the parent only', async () => {
    const { data, errors } = await ask(sends('{"data":{"other":3,"_entities":[{"weight":null}]}}'), {
      query: '{ thing { name weight } other }',
    });
    expect(data).toEqual({ thing: null, other: 3 });
    expect(errors).toEqual(['thing.weight SOURCE_MALFORMED']);
  });

  test('sends keys of Object.prototype does not change the response', async () => {
    const { data } = await ask(
      sends(
        '{"data":{"__proto__":{"other":9},"other":3,"then":1,"_entities":[{"size":2,"__proto__":{"name":"x"},"constructor":1}]}}',
      ),
    );
    expect(data).toEqual({ thing: { name: 'near', size: 2 }, other: 3 });
    expect(({} as Record<string, unknown>)['other']).toBeUndefined();
  });

  test('has a request in progress when the client disconnects is disconnected too', async () => {
    const gone = new AbortController();
    let response: ReturnType<typeof ask> | undefined;
    const closed = new Promise<boolean>((resolve) => {
      response = ask(
        (_, response) => {
          response.on('close', () => resolve(response.writableFinished));
          gone.abort();
        },
        { time: 60_000, signal: gone.signal },
      );
    });
    expect(await closed).toBe(false);
    expect((await response)?.errors).toEqual(both('SOURCE_TIMEOUT'));
  });
});
