/** The way of one request: refused unread, then who asks, whether it is their turn, and the answer. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Departure } from '../../connectors/kit/departure.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import type { Principal } from '../../connectors/kit/principal.ts';
import { readAccept } from './accept.ts';
import { cut, fault, json, send, tooMany } from './answers.ts';
import { read } from './body.ts';
import { type Origins, refuseForeign } from './cors.ts';
import { answerPage, isPageRequest } from './graphql-page.ts';
import type { Rooms } from './rooms.ts';
import { refusedUnread, shield } from './shield.ts';
import type { Spent } from './spent.ts';

const LARGEST_QUERY = 512 * 1024;
const LARGEST_WEBHOOK = 8 * 1024 * 1024;

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
  const unread = refusedUnread(request, LARGEST_QUERY);
  if (unread) return cut(request, response, fault(unread.error, unread.status));
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
    send(response, answer);
  } finally {
    turned();
  }
}

export async function webhook(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  rooms: Rooms,
): Promise<void> {
  const unread = refusedUnread(request, LARGEST_WEBHOOK);
  if (unread) return cut(request, response, fault(unread.error, unread.status));
  const body = await read(request, LARGEST_WEBHOOK);
  if (body === null) return json(response, 413, { error: `A call may hold ${LARGEST_WEBHOOK} bytes.` });
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(request.headers))
    headers[name] = Array.isArray(value) ? value.join(', ') : value;
  const installation = decodeURIComponent(path.slice('/webhooks/'.length));
  const answer = await rooms.webhooks?.(installation, { method: request.method ?? 'POST', path, headers, body });
  if (!answer) return json(response, 404, { error: 'No such installation takes calls here.' });
  response.writeHead(answer.status, answer.headers ?? {});
  response.end(answer.body ?? '');
}
