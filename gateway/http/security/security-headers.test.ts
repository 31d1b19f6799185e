/** Who counts as a caller of this machine, and who only looks like one. */
import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { isLocal } from './security-headers.ts';

const request = (
  headers: Record<string, string>,
  { address = '127.0.0.1', httpVersion = '1.1' }: { address?: string; httpVersion?: string } = {},
) =>
  ({
    socket: { remoteAddress: address },
    httpVersion,
    headers: { host: 'localhost:4000', ...headers },
  }) as unknown as IncomingMessage;

test.each([
  ['without more', {}],
  ['by address', { host: '127.0.0.1:4000' }],
  ['by IPv6', { host: '[::1]:4000' }],
  ['keeping the connection', { connection: 'keep-alive' }],
  ['opening a socket', { connection: 'keep-alive, Upgrade', upgrade: 'websocket' }],
])('a caller from loopback is local: %s', (_, headers) => {
  expect(isLocal(request(headers as Record<string, string>))).toBe(true);
  expect(isLocal(request(headers as Record<string, string>, { address: '10.0.0.7' }))).toBe(false);
});

test.each([
  ['a name that was rebound', { host: 'evil.example:4000' }, '1.1'],
  ['no host', { host: '' }, '1.1'],
  ['nginx as it is by default', { host: '127.0.0.1:4000', connection: 'close' }, '1.0'],
  ['nginx with the lines for WebSockets alone', { host: '127.0.0.1:4000', connection: 'upgrade' }, '1.1'],
  ['the same, opening a socket', { host: '127.0.0.1:4000', connection: 'upgrade', upgrade: 'websocket' }, '1.1'],
  ['X-Forwarded-For', { 'x-forwarded-for': '203.0.113.7' }, '1.1'],
  ['X-Forwarded-Proto', { 'x-forwarded-proto': 'https' }, '1.1'],
  ['X-Real-IP', { 'x-real-ip': '203.0.113.7' }, '1.1'],
  ['Forwarded', { forwarded: 'for=203.0.113.7' }, '1.1'],
  ['Via', { via: '1.1 proxy' }, '1.1'],
])('a caller behind a proxy, or of another name, is not local: %s', (_, headers, httpVersion) => {
  expect(isLocal(request(headers as Record<string, string>, { httpVersion }))).toBe(false);
});
