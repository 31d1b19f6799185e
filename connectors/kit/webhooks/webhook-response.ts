/** Handles one webhook from its headers to its response; the same in the hub and in a connector's own process. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import type { WebhookRequest, WebhookRequirements, WebhookResponse } from '../connector.ts';
import { prepareEarlyResponse } from '../protocols/early-response.ts';
import { busyRejection, type WebhookBody, WebhookClientDisconnected, type WebhookRejection } from './webhook-body.ts';
import type { WebhookIntake } from './webhook-intake.ts';

export type WebhookHead = Omit<WebhookRequest, 'body'>;

/** Where the webhooks of one installation go: it is in this process, in another one, or cannot take them now. */
export type WebhookTarget =
  | {
      readonly requirements: WebhookRequirements | undefined;
      handle(request: WebhookRequest): Promise<WebhookResponse>;
    }
  /** Sends the body to the process as it arrives; rejects if the process cannot be reached. */
  | { forward(head: WebhookHead, body: Readable): Promise<WebhookResponse> }
  | { readonly rejection: WebhookRejection };

/** Bytes of a forwarded body that are buffered. */
const FORWARD_BUFFER = 16 * 1024;
const NOT_FOUND: WebhookRejection = { status: 404, message: 'No installation of this name accepts webhooks.' };
const UNREACHABLE = busyRejection('The connector of this installation cannot be reached. Send it again later.');

/** Requests whose client waits for `100 Continue` before it sends the body. */
export const awaitsContinue = new WeakSet<IncomingMessage>();

/** Responds to the webhook. Rejects with `WebhookClientDisconnected` if the client disconnects before the end of the body. */
export async function respondToWebhook(
  request: IncomingMessage,
  response: ServerResponse,
  options: {
    readonly installation: string;
    readonly path: string;
    /** Null: there is no installation of this name, or it accepts no webhooks. */
    readonly target: WebhookTarget | null;
    readonly intake: WebhookIntake;
  },
): Promise<void> {
  const { target, intake, installation, path } = options;
  if (target === null) return reject(request, response, NOT_FOUND);
  if ('rejection' in target) return reject(request, response, target.rejection);
  const forwarded = 'forward' in target;
  const body = intake.admit(request, installation, forwarded ? { forwarded } : { requirements: target.requirements });
  if ('status' in body) return reject(request, response, body);
  if (awaitsContinue.delete(request)) response.writeContinue();
  const head = { method: request.method ?? 'POST', path, headers: headersOf(request) };
  if (forwarded) return forward(request, response, body, (bytes) => target.forward(head, bytes));
  const bytes = await body.read(request);
  if (!Buffer.isBuffer(bytes)) return reject(request, response, bytes);
  const { status, headers, body: text } = await target.handle({ ...head, body: bytes });
  response.writeHead(status, headers ?? {});
  response.end(text ?? '');
}

/** Streams the body to another process. If that process responds before the end of the body, the rest is not read. */
async function forward(
  request: IncomingMessage,
  response: ServerResponse,
  body: WebhookBody,
  send: (bytes: Readable) => Promise<WebhookResponse>,
): Promise<void> {
  const bytes = new PassThrough({ highWaterMark: FORWARD_BUFFER });
  bytes.on('error', () => undefined);
  const forwarding = body.forward(request, bytes);
  // Awaited below, or irrelevant once there is a response.
  forwarding.catch(() => undefined);
  let received: WebhookResponse;
  try {
    received = await send(bytes);
  } catch {
    body.abort(UNREACHABLE);
    return reject(request, response, (await forwarding) ?? UNREACHABLE);
  }
  body.abort(UNREACHABLE);
  bytes.destroy();
  const { status, headers, body: text } = received;
  if (request.complete) {
    response.writeHead(status, headers ?? {});
    response.end(text ?? '');
    return;
  }
  prepareEarlyResponse(request);
  response.writeHead(status, { ...headers, connection: 'close' });
  response.end(text ?? '');
}

/** Responds without reading the rest of the body, and closes the connection. */
function reject(request: IncomingMessage, response: ServerResponse, rejection: WebhookRejection): void {
  const headers: Record<string, string> = { 'content-type': 'application/json; charset=utf-8', ...rejection.headers };
  if (!request.complete) {
    prepareEarlyResponse(request);
    headers['connection'] = 'close';
  }
  response.writeHead(rejection.status, headers);
  response.end(JSON.stringify({ error: rejection.message }));
}

const headersOf = (request: IncomingMessage): Record<string, string | undefined> =>
  Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );

export { WebhookClientDisconnected };
