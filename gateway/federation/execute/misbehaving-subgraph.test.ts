/** Subgraphs behind HTTP that misbehave: the fields of others are answered, theirs are null, each with one error at its place. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { hubCall } from '../../../connectors/kit/host/services.ts';
import { silentLog } from '../../../connectors/kit/log.ts';
import { compose } from '../../../schema/compose.ts';
import { type Answer, createFederation, remoteSubgraph } from '../index.ts';
import { fake } from '../testing/fake-subgraph.ts';

const near = fake(
  'near',
  'type Query { thing: Thing } type Thing @key(fields: "id") { id: ID! name: String }',
  { Query: { thing: () => ({ id: '1', name: 'near' }) } },
  { Thing: (one) => one },
);
const FAR = 'type Query { other: Int } type Thing @key(fields: "id") { id: ID! size: Int weight: Int! }';

type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;
const servers: Server[] = [];
afterEach(async () => {
  for (const one of servers.splice(0)) {
    one.closeAllConnections();
    await new Promise((resolve) => one.close(resolve));
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
  const answer = (await federation.execute(compiled, { variables: {}, call })) as Answer;
  return {
    data: JSON.parse(answer.text()) as unknown,
    told: (answer.errors ?? []).map((one) => `${one.path?.join('.')} ${String(one.extensions?.['code'])}`).sort(),
  };
}

const says =
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
      'drips',
      (_, response) => {
        response.write('{"data":{"a":"');
        const timer = setInterval(() => response.write('x'), 20);
        response.on('close', () => clearInterval(timer));
      },
      'SOURCE_TIMEOUT',
    ],
    ['resets the connection', (request) => void request.socket.resetAndDestroy(), 'SOURCE_UNAVAILABLE'],
    [
      'ends in the middle',
      (request, response) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{"data":');
        setTimeout(() => request.socket.destroy(), 20);
      },
      'SOURCE_UNAVAILABLE',
    ],
    ['answers half a JSON', says('{"data":{"other":1,"_entiti'), 'SOURCE_MALFORMED'],
    ['answers HTML', says('<html>It works!</html>', 'text/html'), 'SOURCE_MALFORMED'],
    ['answers a JSON that is no answer', says('[1,2]'), 'SOURCE_MALFORMED'],
    ['answers nothing', says(''), 'SOURCE_MALFORMED'],
    ['answers other forms', says('{"data":{"other":{"a":1},"_entities":"none"}}'), 'SOURCE_MALFORMED'],
    ['answers values that do not fit', says('{"data":{"other":"one","_entities":[{"size":[1]}]}}'), 'SOURCE_MALFORMED'],
    ['answers errors that are a text', says('{"data":{"other":1},"errors":"none"}'), 'SOURCE_MALFORMED'],
    ['answers errors that are an object', says('{"data":{"other":1},"errors":{}}'), 'SOURCE_MALFORMED'],
    ['answers errors of other forms', says('{"errors":[{"message":1,"path":"x"},null]}'), 'SOURCE_MALFORMED'],
    ['answers data that are a list', says('{"data":[1]}'), 'SOURCE_MALFORMED'],
    ['answers too few entities', says('{"data":{"other":1.5,"_entities":[]}}'), 'SOURCE_MALFORMED'],
  ])('%s', async (_, behaviour, code) => {
    const { data, told } = await ask(behaviour, { time: code === 'SOURCE_TIMEOUT' ? 200 : 5_000 });
    expect(data).toEqual(NOTHING);
    expect(told).toEqual(both(code));
  });

  test('answers 50 MB is cut off long before', async () => {
    let written = 0;
    const part = Buffer.alloc(64 * 1024, 'x');
    const { data, told } = await ask(
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
    expect(told).toEqual(both('SOURCE_MALFORMED'));
    // Two requests, each ended at 16 MB and what the system holds.
    expect(written).toBeLessThan(45 * 1024 * 1024);
  });

  test('gives null where the graph promises a value: its parent is null, the rest stands', async () => {
    const { data, told } = await ask(says('{"data":{"other":3,"_entities":[{"weight":null}]}}'), {
      query: '{ thing { name weight } other }',
    });
    expect(data).toEqual({ thing: null, other: 3 });
    expect(told).toEqual(['thing.weight SOURCE_MALFORMED']);
  });

  test('sends keys with a meaning of their own changes nothing', async () => {
    const { data } = await ask(
      says(
        '{"data":{"__proto__":{"other":9},"other":3,"then":1,"_entities":[{"size":2,"__proto__":{"name":"x"},"constructor":1}]}}',
      ),
    );
    expect(data).toEqual({ thing: { name: 'near', size: 2 }, other: 3 });
    expect(({} as Record<string, unknown>)['other']).toBeUndefined();
  });

  test('is still asked when the client goes away: it is told so', async () => {
    const gone = new AbortController();
    let answer: ReturnType<typeof ask> | undefined;
    const closed = new Promise<boolean>((resolve) => {
      answer = ask(
        (_, response) => {
          response.on('close', () => resolve(response.writableFinished));
          gone.abort();
        },
        { time: 60_000, signal: gone.signal },
      );
    });
    expect(await closed).toBe(false);
    expect((await answer)?.told).toEqual(both('SOURCE_TIMEOUT'));
  });
});
