/** Connections on which nothing happens are written to, so that no proxy takes them for dead. */
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { HEARTBEAT } from '../gateway/live/heartbeat.ts';
import { until } from './hub.ts';
import { EVENTS, liveHub } from './live-hub.ts';

test('idle streams hear a comment or an empty part, idle sockets a ping, again and again', async () => {
  const live = await liveHub({ start: { heartbeat: 1_000 } });
  try {
    const begin = (accept: string) => {
      const heard = { text: '' };
      const headers = { accept, 'content-type': 'application/json' };
      const call = request(live.url, { method: 'POST', headers }, (answer) => {
        answer.setEncoding('utf8').on('data', (part: string) => {
          heard.text += part;
        });
        answer.on('error', () => undefined);
      });
      call.on('error', () => undefined);
      call.end(JSON.stringify({ query: EVENTS }));
      return { heard, call };
    };
    const sse = begin('text/event-stream');
    const multipart = begin('multipart/mixed;subscriptionSpec=1.0');
    const socket = new WebSocket(live.socketUrl, 'graphql-transport-ws');
    let pings = 0;
    socket.on('open', () => socket.send('{"type":"connection_init"}'));
    socket.on('ping', () => {
      pings += 1;
    });
    await until('two heartbeats on each', 20, () => {
      const parts = multipart.heard.text.split('\r\n\r\n{}\r\n--graphql').length - 1;
      return (
        sse.heard.text === ':\n\n'.repeat(sse.heard.text.length / 3) &&
        sse.heard.text.length >= 9 &&
        parts >= 2 &&
        pings >= 2
      );
    });
    for (const { call } of [sse, multipart]) call.destroy();
    socket.terminate();
  } finally {
    await live.close();
  }
});

test('it is more often than common proxies cut off what is silent', () => {
  // nginx, Apache and most load balancers wait 60 s, some 30 s.
  expect(HEARTBEAT).toBeLessThan(30_000);
});
