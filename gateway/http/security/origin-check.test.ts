import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { isLoopbackRequest } from './origin-check.ts';

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
  ['plain', {}],
  ['Host is an address', { host: '127.0.0.1:4000' }],
  ['Host is an IPv6 address', { host: '[::1]:4000' }],
  ['keep-alive', { connection: 'keep-alive' }],
  ['WebSocket upgrade', { connection: 'keep-alive, Upgrade', upgrade: 'websocket' }],
])('origin check: accepts a request from loopback: %s', (_, headers) => {
  expect(isLoopbackRequest(request(headers as Record<string, string>))).toBe(true);
  expect(isLoopbackRequest(request(headers as Record<string, string>, { address: '10.0.0.7' }))).toBe(false);
});

test.each([
  ['DNS rebinding', { host: 'evil.example:4000' }, '1.1'],
  ['empty Host', { host: '' }, '1.1'],
  ['nginx, default settings', { host: '127.0.0.1:4000', connection: 'close' }, '1.0'],
  ['nginx with only the WebSocket settings', { host: '127.0.0.1:4000', connection: 'upgrade' }, '1.1'],
  ['the same, WebSocket upgrade', { host: '127.0.0.1:4000', connection: 'upgrade', upgrade: 'websocket' }, '1.1'],
  ['X-Forwarded-For', { 'x-forwarded-for': '203.0.113.7' }, '1.1'],
  ['X-Forwarded-Proto', { 'x-forwarded-proto': 'https' }, '1.1'],
  ['X-Real-IP', { 'x-real-ip': '203.0.113.7' }, '1.1'],
  ['Forwarded', { forwarded: 'for=203.0.113.7' }, '1.1'],
  ['Via', { via: '1.1 proxy' }, '1.1'],
])('origin check: rejects a proxied request or another host name: %s', (_, headers, httpVersion) => {
  expect(isLoopbackRequest(request(headers as Record<string, string>, { httpVersion }))).toBe(false);
});
