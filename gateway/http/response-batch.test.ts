import { createServer, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sendInBatch } from './response-batch.ts';

const headers = { 'content-type': 'text/plain' };
const content = (body: string) => ({ status: 200, headers, body });

describe('responses in a batch', () => {
  let onRequest: (response: ServerResponse) => void = () => undefined;
  const server = createServer((_, response) => onRequest(response));
  let url = '';
  beforeAll(async () => {
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
  });
  afterAll(() => new Promise<unknown>((resolve) => server.close(resolve)));

  /** The bodies of as many requests as there are `bodies`, all of which `respond` answers in one turn of the event loop. */
  async function exchange(bodies: number, respond: (responses: ServerResponse[]) => void): Promise<string[]> {
    const arrived: ServerResponse[] = [];
    onRequest = (response) => {
      arrived.push(response);
      if (arrived.length === bodies) respond(arrived);
    };
    return Promise.all(Array.from({ length: bodies }, () => fetch(url).then((response) => response.text())));
  }

  test('small responses: are sent together at the end of the turn, and reported as written then', async () => {
    const written: boolean[] = [];
    const atOnce: boolean[] = [];
    const texts = await exchange(3, (responses) => {
      responses.forEach((response, i) => {
        sendInBatch(response, content(`small ${i}`), () => written.push(response.writableEnded));
      });
      atOnce.push(...responses.map((response) => response.writableEnded));
    });
    expect(texts.sort()).toEqual(['small 0', 'small 1', 'small 2']);
    expect(atOnce).toEqual([false, false, false]);
    expect(written).toEqual([true, true, true]);
  });

  test('large responses: are sent at once, together with those that wait', async () => {
    const large = 'x'.repeat(20_000);
    let atOnce: boolean[] = [];
    const texts = await exchange(2, (responses) => {
      sendInBatch(responses[0] as ServerResponse, content('small'), undefined);
      sendInBatch(responses[1] as ServerResponse, content(large), undefined);
      atOnce = responses.map((response) => response.writableEnded);
    });
    expect(texts.sort()).toEqual(['small', large]);
    expect(atOnce).toEqual([true, true]);
  });

  test('a client that has disconnected: does not keep the others from their responses', async () => {
    const texts = await exchange(2, (responses) => {
      const [first, second] = responses as [ServerResponse, ServerResponse];
      sendInBatch(first, content('first'), undefined);
      sendInBatch(second, content('second'), undefined);
      first.destroy();
    }).catch(() => ['failed']);
    expect(texts).toEqual(['failed']);
    expect(
      await exchange(1, ([response]) => sendInBatch(response as ServerResponse, content('next'), undefined)),
    ).toEqual(['next']);
  });
});
