/** The way of one request: refused unread, then who asks, whether it is their turn, and the answer. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { callerOf, type Principal } from '../../connectors/kit/auth/principal.ts';
import { DEFAULT_LIMITS } from '../../connectors/kit/config/sections/limits.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import { Departure } from '../../connectors/kit/guard/client-disconnect.ts';
import { WebhookIntake } from '../../connectors/kit/webhooks/webhook-intake.ts';
import { answerWebhook } from '../../connectors/kit/webhooks/webhook-response.ts';
import { countAnswer } from '../trust/limits/unread-bytes.ts';
import { read } from './body-limit.ts';
import { readAccept } from './content-negotiation.ts';
import type { Rooms } from './handlers.ts';
import { answerPage, isPageRequest } from './pages/graphql-page.ts';
import type { Spent } from './rejection-cache.ts';
import { cut, fault, send, tooMany } from './responses.ts';
import { type Origins, refuseForeign } from './security/cors.ts';
import { refusedUnread, shield } from './security/security-headers.ts';

const LARGEST_QUERY = 512 * 1024;
/** Characters of an answer that counts as small. */
const SMALL_ANSWER = 16 * 1024;
const DEFAULT_INTAKE = new WebhookIntake(DEFAULT_LIMITS);

export async function graphql(
  request: IncomingMessage,
  response: ServerResponse,
  search: string,
  { rooms, spent, origins }: { readonly rooms: Rooms; readonly spent: Spent; readonly origins: Origins },
): Promise<void> {
  if (request.method === 'OPTIONS') {
    shield(response);
    return origins.preflight(request, response);
  }
  if (origins.isForeign(request)) return refuseForeign(request, response);
  const accepts = readAccept(request.headers.accept);
  if (accepts.page && isPageRequest(request, search))
    return answerPage(request, response, rooms.explorer !== undefined);
  const client = new Departure();
  response.on('close', () => {
    if (!response.writableFinished) client.leave();
  });
  const unfit = refusedUnread(request, LARGEST_QUERY);
  if (unfit) return cut(request, response, fault(unfit.error, unfit.status));
  let principal: Principal | null;
  try {
    principal = await rooms.principal(request);
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    response.setHeader('www-authenticate', 'Bearer error="invalid_token"');
    return cut(request, response, fault(error, 401));
  }
  const overdrawn = rooms.overdrawn?.(principal);
  if (overdrawn) {
    spent.keep(request, overdrawn.error, overdrawn.milliseconds);
    return tooMany(request, response, overdrawn.error);
  }
  const { unread } = rooms;
  const full = unread?.refusal(callerOf(principal));
  if (full) return tooMany(request, response, full);
  const body = await read(request, LARGEST_QUERY);
  if (body === null) {
    const error = new HubError('LIMIT_SIZE', `A request may hold ${LARGEST_QUERY} bytes.`, { limit: LARGEST_QUERY });
    return cut(request, response, fault(error, 413));
  }
  try {
    if (rooms.turns) await rooms.turns.turn(principal);
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    return tooMany(request, response, error);
  }
  let over = false;
  const turned = () => {
    if (!over) rooms.turns?.turned(principal);
    over = true;
  };
  try {
    if (client.gone) return;
    const { stream } = accepts;
    const opened = stream && rooms.stream?.(request, { search, body, principal, accepts: { ...accepts, stream } });
    if (opened) {
      // A stream without an end does not keep its caller's turn.
      if (opened.endless) turned();
      shield(response);
      return await opened.write(response, client.signal);
    }
    const answer = await rooms.graphql.answer({
      method: request.method ?? 'POST',
      headers: request.headers,
      search,
      body,
      principal,
      signal: client,
      isSafeRead: request.method === 'GET' && origins.isSafeRead(request),
    });
    // Others that ran beside it may have filled what the caller may leave unread. Small answers go out all the same.
    const since = answer.body.length > SMALL_ANSWER ? unread?.refusal(callerOf(principal)) : null;
    if (since) return tooMany(request, response, since);
    send(response, answer);
    if (unread) countAnswer(unread, callerOf(principal), response);
  } finally {
    turned();
  }
}

/** Answers a legacy system's call. */
export async function webhook(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  rooms: Rooms,
): Promise<void> {
  const installation = decodeURIComponent(path.slice('/webhooks/'.length));
  const target = (await rooms.webhooks?.(installation)) ?? null;
  const { intake = DEFAULT_INTAKE } = rooms;
  await answerWebhook(request, response, { installation, path, target, intake });
}
