#!/usr/bin/env node
/**
 * Prints live events, one line each. After a connection loss it reconnects and resumes after the last delivery, so that none is missed.
 * Uses graphql-ws, and ws because Node 20 has no WebSocket. Outside this repository: npm install graphql graphql-ws ws
 *
 *   node examples/node-client/subscribe.mjs            # events from now on; Ctrl-C prints the cursor
 *   node examples/node-client/subscribe.mjs CURSOR     # resumes after that cursor
 *
 * ISTHMUS_URL    address of the hub; default: http://localhost:4000, the demo
 * ISTHMUS_TOKEN  access token; default: none, which the demo accepts from this machine
 */
import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

const url = process.env.ISTHMUS_URL || 'http://localhost:4000';
const token = process.env.ISTHMUS_TOKEN;

const query = `subscription ($after: Cursor) {
  events(after: $after) {
    ... on EventsBatch { cursor events { id time kind } }
    ... on Gap { cursor reason fromTime toTime }
    ... on Lagged { cursor behind }
  }
}`;

const client = createClient({
  url: `${url.replace(/^http/, 'ws')}/graphql`,
  webSocketImpl: WebSocket,
  connectionParams: token ? { authorization: `Bearer ${token}` } : {},
  // Milliseconds. A dead connection is detected within twice this time.
  keepAlive: 10_000,
  // The loop below reconnects, since it has to send the newest cursor.
  retryAttempts: 0,
});

let after = process.argv[2] ?? null;
let stopped = false;
process.once('SIGINT', () => {
  stopped = true;
  void client.dispose();
});

/** Prints deliveries until the connection ends. */
async function follow(onDelivery) {
  for await (const { data, errors } of client.iterate({ query, variables: { after } })) {
    for (const { message } of errors ?? []) console.error(message);
    const delivery = data?.events;
    if (!delivery) continue;
    onDelivery();
    for (const { time, kind, id } of delivery.events ?? []) console.log(`${time} ${kind} ${id}`);
    if (delivery.reason) console.log(`gap: ${delivery.reason}, from ${delivery.fromTime} to ${delivery.toTime}`);
    // Set after the events are processed: a resume after this cursor does not deliver them again.
    after = delivery.cursor;
  }
}

/** Why a new connection would be rejected too; null: reconnect. */
function permanentError(reason) {
  const error = Array.isArray(reason) ? reason[0] : null;
  if (error && !error.extensions?.retryable && !['LIMIT_RATE', 'INTERNAL'].includes(error.extensions?.code))
    return `${error.extensions?.code}: ${error.message}`;
  // 4400: bad request, 4401 and 4403: the token is missing, invalid or expired.
  return [4400, 4401, 4403].includes(reason?.code) ? `${reason.code}: ${reason.reason}` : null;
}

for (let wait = 500; !stopped; wait = Math.min(2 * wait, 10_000)) {
  try {
    await follow(() => {
      wait = 500;
    });
  } catch (reason) {
    const error = permanentError(reason);
    if (error) {
      console.error(error);
      process.exitCode = 1;
      break;
    }
  }
  if (stopped) break;
  console.error(`No connection to ${url}. Next try in ${wait / 1000} s.`);
  await pause(wait);
}
if (after) console.error(`Resume with: node examples/node-client/subscribe.mjs ${after}`);
