/** Calls of legacy systems: the raw bytes go to the installation; its answer, after commit, is the answer. */
import { Agent, request } from 'undici';
import type { WebhookAnswer, WebhookRequest } from '../../connectors/kit/connector.ts';

/** Answers null when it hosts no such installation, or it takes no calls. */
export type Webhooks = (installation: string, call: WebhookRequest) => Promise<WebhookAnswer | null>;

const agent = new Agent({ keepAliveTimeout: 10_000, connections: 16 });
/** The connection's own headers stay on their side. */
const HOP = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive', 'upgrade', 'expect']);

/** Hands the call on to the connector's own process, as it came. */
export function forwardWebhooks(base: string): Webhooks {
  return async (installation, call) => {
    const headers = Object.fromEntries(
      Object.entries(call.headers).filter(
        (entry): entry is [string, string] => entry[1] !== undefined && !HOP.has(entry[0]),
      ),
    );
    const answer = await request(new URL(`/webhooks/${encodeURIComponent(installation)}`, base), {
      method: call.method as 'POST',
      headers,
      body: call.body,
      dispatcher: agent,
      headersTimeout: 15_000,
      bodyTimeout: 15_000,
    });
    const body = await answer.body.text();
    if (answer.statusCode === 404) return null;
    const type = answer.headers['content-type'];
    return {
      status: answer.statusCode,
      body,
      ...(typeof type === 'string' ? { headers: { 'content-type': type } } : {}),
    };
  };
}

/** Asks one after the other until one takes the call. */
export function firstOf(all: readonly Webhooks[]): Webhooks {
  return async (installation, call) => {
    for (const one of all) {
      const answer = await one(installation, call);
      if (answer !== null) return answer;
    }
    return null;
  };
}
