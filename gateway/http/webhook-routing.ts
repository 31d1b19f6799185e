/** Calls of legacy systems whose connector lives in a process of its own: the raw bytes are handed on as they come. */
import { Agent, type IncomingMessage, request } from 'node:http';
import { pipeline, type Readable } from 'node:stream';
import type { WebhookAnswer } from '../../connectors/kit/connector.ts';
import type { WebhookHead, WebhookTarget } from '../../connectors/kit/webhooks/webhook-response.ts';

/** Where an installation's calls go; null when there is none of that name, or it takes no calls. */
export type Webhooks = (installation: string) => WebhookTarget | null | Promise<WebhookTarget | null>;

const agent = new Agent({ keepAlive: true, maxSockets: 256, maxFreeSockets: 16 });
/** The connector has so long for its answer once it has the whole body, in milliseconds. */
const PATIENCE = 15_000;
/** The connection's own headers stay on their side. The body's length goes along: it is checked over there. */
const HOP = new Set(['host', 'connection', 'transfer-encoding', 'keep-alive', 'upgrade', 'expect']);
/** What the connector's answer may bring along. */
const ANSWERED = new Set(['content-type', 'retry-after', 'allow', 'www-authenticate']);
/** Characters of an answer that are handed back. */
const LARGEST_ANSWER = 64 * 1024;

/** Hands calls on to the connector's own process, as they come: the head at once, so that it may be refused before its body is sent. */
export function forwardWebhooks(base: string, installation: string): WebhookTarget {
  const address = new URL(`/webhooks/${encodeURIComponent(installation)}`, base);
  return {
    pass: (head: WebhookHead, body: Readable): Promise<WebhookAnswer> =>
      new Promise((resolve, reject) => {
        const headers = Object.fromEntries(
          Object.entries(head.headers).filter(
            (entry): entry is [string, string] => entry[1] !== undefined && !HOP.has(entry[0]),
          ),
        );
        if (head.headers['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked';
        const sent = request(address, { method: head.method, headers, agent });
        sent.on('response', (answer) => readAnswer(answer).then(resolve, reject));
        sent.on('error', reject);
        sent.on('finish', () =>
          sent.setTimeout(PATIENCE, () => sent.destroy(new Error('The connector gave no answer.'))),
        );
        sent.flushHeaders();
        // An answer that comes before the end of the body leaves the rest unsent.
        pipeline(body, sent, (error) => {
          if (error) sent.destroy(error);
        });
      }),
  };
}

async function readAnswer(answer: IncomingMessage): Promise<WebhookAnswer> {
  let text = '';
  answer.setEncoding('utf8');
  for await (const part of answer) {
    text += part;
    if (text.length > LARGEST_ANSWER) throw new Error('The answer to the call is too large.');
  }
  return {
    status: answer.statusCode ?? 502,
    body: text,
    headers: Object.fromEntries(
      Object.entries(answer.headers).filter(
        (entry): entry is [string, string] => ANSWERED.has(entry[0]) && typeof entry[1] === 'string',
      ),
    ),
  };
}
