/** Routes a webhook to its installation, or forwards its raw bytes to the process that runs the connector. */
import { Agent, type IncomingMessage, request } from 'node:http';
import { pipeline, type Readable } from 'node:stream';
import type { WebhookResponse } from '../../connectors/kit/connector.ts';
import type { WebhookHead, WebhookTarget } from '../../connectors/kit/webhooks/webhook-response.ts';

/** The target of an installation's webhooks; null for an unknown installation, or one that accepts no webhooks. */
export type WebhookRouter = (installation: string) => WebhookTarget | null | Promise<WebhookTarget | null>;

/** Where an installation's webhooks are handled: by a host in this process, or by the process at `url`. */
type Location =
  | { readonly host: { webhookTarget(installation: string): WebhookTarget | null } }
  | { readonly url: string };

/** A router by the location of each installation; `locate` returns null for an unknown one. */
export const webhookRouter =
  (locate: (installation: string) => Location | null): WebhookRouter =>
  (installation) => {
    const location = locate(installation);
    if (location === null) return null;
    return 'host' in location ? location.host.webhookTarget(installation) : forwardWebhooks(location.url, installation);
  };

const agent = new Agent({ keepAlive: true, maxSockets: 256, maxFreeSockets: 16 });
/** Milliseconds that the connector's process may take to respond once it has the whole body. */
const RESPONSE_TIMEOUT = 15_000;
/** Not forwarded. `content-length` is: the connector's process checks it. */
const HOP_BY_HOP_HEADERS = new Set(['host', 'connection', 'transfer-encoding', 'keep-alive', 'upgrade', 'expect']);
/** Response headers that are passed back to the source system. */
const FORWARDED_HEADERS = new Set(['content-type', 'retry-after', 'allow', 'www-authenticate']);
/** Characters. */
const MAX_RESPONSE = 64 * 1024;

/** Forwards webhooks to the connector's own process; headers at once, so that it can reject a webhook before the body is sent. */
export function forwardWebhooks(base: string, installation: string): WebhookTarget {
  const address = new URL(`/webhooks/${encodeURIComponent(installation)}`, base);
  return {
    forward: (head: WebhookHead, body: Readable): Promise<WebhookResponse> =>
      new Promise((resolve, reject) => {
        const headers = Object.fromEntries(
          Object.entries(head.headers).filter(
            (entry): entry is [string, string] => entry[1] !== undefined && !HOP_BY_HOP_HEADERS.has(entry[0]),
          ),
        );
        if (head.headers['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked';
        const sent = request(address, { method: head.method, headers, agent });
        sent.on('response', (response) => readResponse(response).then(resolve, reject));
        sent.on('error', reject);
        sent.on('finish', () =>
          sent.setTimeout(RESPONSE_TIMEOUT, () =>
            sent.destroy(new Error(`no response from the connector within ${RESPONSE_TIMEOUT} ms`)),
          ),
        );
        sent.flushHeaders();
        // After a response that arrives early, the rest of the body is not sent.
        pipeline(body, sent, (error) => {
          if (error) sent.destroy(error);
        });
      }),
  };
}

async function readResponse(response: IncomingMessage): Promise<WebhookResponse> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    text += chunk;
    if (text.length > MAX_RESPONSE) throw new Error(`the connector's response exceeds ${MAX_RESPONSE} characters`);
  }
  return {
    status: response.statusCode ?? 502,
    body: text,
    headers: Object.fromEntries(
      Object.entries(response.headers).filter(
        (entry): entry is [string, string] => FORWARDED_HEADERS.has(entry[0]) && typeof entry[1] === 'string',
      ),
    ),
  };
}
