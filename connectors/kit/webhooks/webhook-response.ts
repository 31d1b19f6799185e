/** One webhook from its head to its answer; the same in the hub and in a connector's own process. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import type { WebhookAnswer, WebhookNeeds, WebhookRequest } from '../connector.ts';
import { leaveUnread } from '../protocols/early-response.ts';
import { busyRefusal, type WebhookBody, WebhookGone, type WebhookRefusal } from './webhook-body.ts';
import type { WebhookIntake } from './webhook-intake.ts';

export type WebhookHead = Omit<WebhookRequest, 'body'>;

/** Where the calls for one installation go: it is here, in a process of its own, or cannot take them now. */
export type WebhookTarget =
  | { readonly needs: WebhookNeeds | undefined; take(request: WebhookRequest): Promise<WebhookAnswer> }
  /** Hands the bytes on as they come; rejects when the process cannot be reached. */
  | { pass(head: WebhookHead, body: Readable): Promise<WebhookAnswer> }
  | { readonly refusal: WebhookRefusal };

/** Buffered of a body that is passed on, in bytes. */
const PASSING = 16 * 1024;
const NOWHERE: WebhookRefusal = { status: 404, message: 'No such installation takes calls here.' };
const UNREACHED = busyRefusal('The connector of this installation cannot be reached; send it again.');

/** Requests whose client waits for `100 Continue` before it sends the body. */
export const awaitsContinue = new WeakSet<IncomingMessage>();

/** Answers the call. Rejects with `WebhookGone` when the client goes away before the end of its body. */
export async function answerWebhook(
  request: IncomingMessage,
  response: ServerResponse,
  at: {
    readonly installation: string;
    readonly path: string;
    /** Null: there is none of that name, or it takes no calls. */
    readonly target: WebhookTarget | null;
    readonly intake: WebhookIntake;
  },
): Promise<void> {
  const { target, intake, installation } = at;
  if (target === null) return refuse(request, response, NOWHERE);
  if ('refusal' in target) return refuse(request, response, target.refusal);
  const passing = 'pass' in target;
  const body = intake.admit(request, installation, passing ? { passing } : { needs: target.needs });
  if ('status' in body) return refuse(request, response, body);
  if (awaitsContinue.delete(request)) response.writeContinue();
  const head = { method: request.method ?? 'POST', path: at.path, headers: headersOf(request) };
  if (passing) return pass(request, response, body, (bytes) => target.pass(head, bytes));
  const read = await body.read(request);
  if (!Buffer.isBuffer(read)) return refuse(request, response, read);
  const answer = await target.take({ ...head, body: read });
  response.writeHead(answer.status, answer.headers ?? {});
  response.end(answer.body ?? '');
}

/** Streams the body to where it is taken: refused there by its head, it is read no further here. */
async function pass(
  request: IncomingMessage,
  response: ServerResponse,
  body: WebhookBody,
  send: (bytes: Readable) => Promise<WebhookAnswer>,
): Promise<void> {
  const bytes = new PassThrough({ highWaterMark: PASSING });
  bytes.on('error', () => undefined);
  const sent = body.pass(request, bytes);
  // Looked at below, or of no account once there is an answer.
  sent.catch(() => undefined);
  let answer: WebhookAnswer;
  try {
    answer = await send(bytes);
  } catch {
    body.cut(UNREACHED);
    return refuse(request, response, (await sent) ?? UNREACHED);
  }
  body.cut(UNREACHED);
  bytes.destroy();
  if (request.complete) {
    response.writeHead(answer.status, answer.headers ?? {});
    response.end(answer.body ?? '');
    return;
  }
  leaveUnread(request);
  response.writeHead(answer.status, { ...answer.headers, connection: 'close' });
  response.end(answer.body ?? '');
}

/** Answers without reading what is still to come, and ends the connection. */
function refuse(request: IncomingMessage, response: ServerResponse, refusal: WebhookRefusal): void {
  const headers: Record<string, string> = { 'content-type': 'application/json; charset=utf-8', ...refusal.headers };
  if (!request.complete) {
    leaveUnread(request);
    headers['connection'] = 'close';
  }
  response.writeHead(refusal.status, headers);
  response.end(JSON.stringify({ error: refusal.message }));
}

const headersOf = (request: IncomingMessage): Record<string, string | undefined> =>
  Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );

export { WebhookGone };
