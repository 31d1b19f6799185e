/** Idle connections receive heartbeats, so proxies do not close them. */
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { HEARTBEAT_INTERVAL } from '../gateway/live/heartbeat.ts';
import { EVENTS_SUBSCRIPTION, startBareHub } from './bare-hub.ts';
import { waitFor } from './test-hub.ts';

test('heartbeat: sends idle streams a comment or an empty part, and idle WebSockets a ping, repeatedly', async () => {
  const bareHub = await startBareHub({ start: { heartbeat: 1_000 } });
  try {
    const begin = (accept: string) => {
      const received = { text: '' };
      const headers = { accept, 'content-type': 'application/json' };
      const call = request(bareHub.url, { method: 'POST', headers }, (answer) => {
        answer.setEncoding('utf8').on('data', (part: string) => {
          received.text += part;
        });
        answer.on('error', () => undefined);
      });
      call.on('error', () => undefined);
      call.end(JSON.stringify({ query: EVENTS_SUBSCRIPTION }));
      return { heard: received, call };
    };
    const sse = begin('text/event-stream');
    const multipart = begin('multipart/mixed;subscriptionSpec=1.0');
    const socket = new WebSocket(bareHub.socketUrl, 'graphql-transport-ws');
    let pings = 0;
    socket.on('open', () => socket.send('{"type":"connection_init"}'));
    socket.on('ping', () => {
      pings += 1;
    });
    await waitFor('two heartbeats on each', 20, () => {
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
    await bareHub.close();
  }
});

test('sends heartbeats more often than the idle timeout of common proxies', () => {
  // nginx, Apache and most load balancers wait 60 s, some 30 s.
  expect(HEARTBEAT_INTERVAL).toBeLessThan(30_000);
});
