/**
 * Sends small responses at the end of the turn of the event loop in which they became ready, one directly after another. A write that wakes a
 * sleeping client costs two thirds of the CPU of a small response; the writes that follow at once find the client awake. Node.js runs
 * `setImmediate` after all requests that have arrived, so a response waits for work that the loop would have done next anyway.
 */
import type { ServerResponse } from 'node:http';
import type { GraphqlResponse } from './handlers.ts';
import { writeHead } from './responses.ts';

/** Characters of the responses that wait together; larger ones must not accumulate in memory. */
const MAX_CHARACTERS = 16 * 1024;
/** Milliseconds for which the first response of a batch waits while further ones are added. */
const MAX_WAIT = 1;

interface Waiting {
  readonly response: ServerResponse;
  readonly body: string;
  readonly onWritten: (() => void) | undefined;
}

let batch: Waiting[] = [];
let characters = 0;
let startedAt = 0;

/** Sends the response, with the security headers, in this turn of the event loop. `onWritten` is called when it has been passed to its connection. */
export function sendInBatch(
  response: ServerResponse,
  content: GraphqlResponse,
  onWritten: (() => void) | undefined,
): void {
  writeHead(response, content);
  const { body } = content;
  if (batch.length === 0) {
    setImmediate(sendBatch);
    startedAt = performance.now();
  }
  batch.push({ response, body, onWritten });
  characters += body.length;
  if (characters > MAX_CHARACTERS || performance.now() - startedAt > MAX_WAIT) sendBatch();
}

function sendBatch(): void {
  const sent = batch;
  batch = [];
  characters = 0;
  for (const { response, body, onWritten } of sent) {
    response.end(body);
    onWritten?.();
  }
}
