/** Calls of legacy systems whose connector lives in a process of its own: the raw bytes are handed on as they come. */
import type { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import type { WebhookAnswer } from '../../connectors/kit/connector.ts';
import type { WebhookHead, WebhookTarget } from '../../connectors/kit/webhook-answer.ts';

/** Where an installation's calls go; null when there is none of that name, or it takes no calls. */
export type Webhooks = (installation: string) => WebhookTarget | null | Promise<WebhookTarget | null>;

const agent = new Agent({ keepAliveTimeout: 10_000, connections: 256, connect: { timeout: 2_000 } });
/** The connection's own headers stay on their side. The body's length goes along: it is checked over there. */
const HOP = new Set(['host', 'connection', 'transfer-encoding', 'keep-alive', 'upgrade', 'expect']);
/** What the connector's answer may bring along. */
const ANSWERED = new Set(['content-type', 'retry-after', 'allow', 'www-authenticate']);
/** Characters of an answer that are handed back. */
const LARGEST_ANSWER = 64 * 1024;

/** Hands calls on to the connector's own process, as they come. */
export function forwardWebhooks(base: string, installation: string): WebhookTarget {
  return {
    pass: async (head: WebhookHead, body: Readable): Promise<WebhookAnswer> => {
      const headers = Object.fromEntries(
        Object.entries(head.headers).filter(
          (entry): entry is [string, string] => entry[1] !== undefined && !HOP.has(entry[0]),
        ),
      );
      const answer = await request(new URL(`/webhooks/${encodeURIComponent(installation)}`, base), {
        method: head.method as 'POST',
        headers,
        body,
        dispatcher: agent,
        headersTimeout: 15_000,
        bodyTimeout: 15_000,
      });
      let text = '';
      for await (const part of answer.body) {
        text += String(part);
        if (text.length > LARGEST_ANSWER) throw new Error('The answer to the call is too large.');
      }
      return {
        status: answer.statusCode,
        body: text,
        headers: Object.fromEntries(
          Object.entries(answer.headers).filter(
            (entry): entry is [string, string] => ANSWERED.has(entry[0]) && typeof entry[1] === 'string',
          ),
        ),
      };
    },
  };
}
