import { createServer } from 'node:http';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../config/sections/limits.ts';
import { listen } from '../testing/simulator.ts';
import { AnswerHold, limitSourceAnswers, readAnswer, sourceBytes } from './response-body.ts';
import { SoapTransport } from './soap.ts';

let written = 0;
/** Answers `/BYTES`, or `/BYTES/chunked` without a length. */
const vendor = createServer((incoming, response) => {
  const [, bytes = '0', chunked] = (incoming.url ?? '').split('/');
  const part = Buffer.alloc(16_384, 'x');
  let left = Number(bytes);
  response.writeHead(200, chunked ? {} : { 'content-length': bytes });
  const pour = (): void => {
    while (left > 0 && !response.destroyed) {
      const size = Math.min(left, part.length);
      left -= size;
      written += size;
      if (!response.write(part.subarray(0, size))) return void response.once('drain', pour);
    }
    response.end();
  };
  pour();
});
let url = '';
beforeAll(async () => {
  url = `http://127.0.0.1:${await listen(vendor)}`;
});
afterEach(() => limitSourceAnswers(DEFAULT_LIMITS));
afterAll(() => {
  vendor.closeAllConnections();
  vendor.close();
});
const ask = (path: string) => request(url + path);
const length = (bytes: Buffer): number => bytes.length;

test.each(['', '/chunked'])(
  'an answer larger than one may be is refused by name, and not read to its end%s',
  async (how) => {
    limitSourceAnswers({ sourceAnswer: 100_000, sourceBytes: 1_000_000 });
    expect(await readAnswer(await ask(`/100000${how}`), length)).toBe(100_000);
    await expect(readAnswer(await ask(`/100001${how}`), length)).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
    written = 0;
    await expect(readAnswer(await ask(`/500000000${how}`), length)).rejects.toMatchObject({
      code: 'SOURCE_MALFORMED',
      detail: expect.stringContaining('limits.sourceAnswer'),
    });
    expect(written).toBeLessThan(50_000_000);
    expect(sourceBytes.held).toBe(0);
  },
);

test('a SOAP answer is bounded by the same', async () => {
  limitSourceAnswers({ sourceAnswer: 100_000, sourceBytes: 1_000_000 });
  const transport = new SoapTransport(`${url}/500000000`);
  await expect(transport.send('<x/>', new AbortController().signal)).rejects.toMatchObject({
    code: 'SOURCE_MALFORMED',
  });
  await transport.close();
});

test('what is read of all sources is bounded: one that finds no room fails for now, and the source is not at fault', async () => {
  limitSourceAnswers({ sourceAnswer: 100_000, sourceBytes: 250_000 });
  const holds = [new AnswerHold(), new AnswerHold()];
  for (const hold of holds) await hold.read(await ask('/100000'));
  expect(sourceBytes.held).toBe(200_000);
  await expect(readAnswer(await ask('/100000'), length)).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    callers: true,
  });
  for (const hold of holds) hold.release();
  for (const hold of holds) hold.release();
  expect(sourceBytes.held).toBe(0);
  expect(await readAnswer(await ask('/100000'), length)).toBe(100_000);
});

test('the pages of a list count together until the list is whole', async () => {
  limitSourceAnswers({ sourceAnswer: 100_000, sourceBytes: 1_000_000 });
  const hold = new AnswerHold();
  for (let i = 0; i < 4; i++) await hold.read(await ask('/100000'));
  expect(sourceBytes.held).toBe(400_000);
  await expect(hold.read(await ask('/1'))).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
  hold.release();
  expect(sourceBytes.held).toBe(0);
});
