import { createServer } from 'node:http';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../config/sections/limits.ts';
import { listen } from '../testing/simulator.ts';
import { bufferedResponseBytes, ResponseBuffer, readResponse, setResponseLimits } from './response-body.ts';
import { SoapTransport } from './soap.ts';

let written = 0;
/** Responds with so many bytes to `/BYTES`; to `/BYTES/chunked` without a Content-Length. */
const vendor = createServer((incoming, response) => {
  const [, bytes = '0', chunked] = (incoming.url ?? '').split('/');
  const part = Buffer.alloc(16_384, 'x');
  let left = Number(bytes);
  response.writeHead(200, chunked ? {} : { 'content-length': bytes });
  const writeAll = (): void => {
    while (left > 0 && !response.destroyed) {
      const size = Math.min(left, part.length);
      left -= size;
      written += size;
      if (!response.write(part.subarray(0, size))) return void response.once('drain', writeAll);
    }
    response.end();
  };
  writeAll();
});
let url = '';
beforeAll(async () => {
  url = `http://127.0.0.1:${await listen(vendor)}`;
});
afterEach(() => setResponseLimits(DEFAULT_LIMITS));
afterAll(() => {
  vendor.closeAllConnections();
  vendor.close();
});
const send = (path: string) => request(url + path);
const length = (bytes: Buffer): number => bytes.length;

test.each(['', '/chunked'])(
  'response body: rejects a response that is too large without reading all of it%s',
  async (variant) => {
    setResponseLimits({ sourceAnswer: 100_000, sourceBytes: 1_000_000 });
    expect(await readResponse(await send(`/100000${variant}`), length)).toBe(100_000);
    await expect(readResponse(await send(`/100001${variant}`), length)).rejects.toMatchObject({
      code: 'SOURCE_MALFORMED',
    });
    written = 0;
    await expect(readResponse(await send(`/500000000${variant}`), length)).rejects.toMatchObject({
      code: 'SOURCE_MALFORMED',
      detail: expect.stringContaining('limits.sourceAnswer'),
    });
    expect(written).toBeLessThan(50_000_000);
    expect(bufferedResponseBytes.used).toBe(0);
  },
);

test('response body: limits SOAP responses as well', async () => {
  setResponseLimits({ sourceAnswer: 100_000, sourceBytes: 1_000_000 });
  const transport = new SoapTransport(`${url}/500000000`);
  await expect(transport.send('<x/>', new AbortController().signal)).rejects.toMatchObject({
    code: 'SOURCE_MALFORMED',
  });
  await transport.close();
});

test('response body: limits the bytes of all responses; a response beyond the limit is not a failure of the source', async () => {
  setResponseLimits({ sourceAnswer: 100_000, sourceBytes: 250_000 });
  const buffers = [new ResponseBuffer(), new ResponseBuffer()];
  for (const buffer of buffers) await buffer.read(await send('/100000'));
  expect(bufferedResponseBytes.used).toBe(200_000);
  await expect(readResponse(await send('/100000'), length)).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    causedByCaller: true,
  });
  for (const buffer of buffers) buffer.release();
  for (const buffer of buffers) buffer.release();
  expect(bufferedResponseBytes.used).toBe(0);
  expect(await readResponse(await send('/100000'), length)).toBe(100_000);
});

test('response body: limits the pages of a list together', async () => {
  setResponseLimits({ sourceAnswer: 100_000, sourceBytes: 1_000_000 });
  const buffer = new ResponseBuffer();
  for (let i = 0; i < 4; i++) await buffer.read(await send('/100000'));
  expect(bufferedResponseBytes.used).toBe(400_000);
  await expect(buffer.read(await send('/1'))).rejects.toMatchObject({ code: 'SOURCE_MALFORMED' });
  buffer.release();
  expect(bufferedResponseBytes.used).toBe(0);
});
