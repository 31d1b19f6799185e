/** One request to `/graphql`: checks headers, authenticates, checks the budget, reads the body, waits for its turn, responds. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { callerKey, type Principal } from '../../connectors/kit/auth/principal.ts';
import { DEFAULT_LIMITS } from '../../connectors/kit/config/sections/limits.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import { ClientConnection } from '../../connectors/kit/guard/client-disconnect.ts';
import { WebhookIntake } from '../../connectors/kit/webhooks/webhook-intake.ts';
import { respondToWebhook } from '../../connectors/kit/webhooks/webhook-response.ts';
import { trackResponse } from '../trust/limits/unread-bytes.ts';
import { bodyTooLarge, readBody, rejectByHeaders } from './body-limit.ts';
import { readAccept } from './content-negotiation.ts';
import type { HttpHandlers } from './handlers.ts';
import { isPageRequest, sendPage } from './pages/graphql-page.ts';
import type { RejectionCache } from './rejection-cache.ts';
import { sendInBatch } from './response-batch.ts';
import { errorResponse, sendAndClose, sendTooManyRequests } from './responses.ts';
import { type CorsPolicy, rejectOrigin } from './security/cors.ts';
import { setSecurityHeaders } from './security/security-headers.ts';

/** Bytes. */
const MAX_BODY = 512 * 1024;
/** Characters of a response that is sent even when the caller has too many unread bytes. */
const SMALL_RESPONSE = 16 * 1024;
const DEFAULT_INTAKE = new WebhookIntake(DEFAULT_LIMITS);

export interface PipelineContext {
  readonly handlers: HttpHandlers;
  readonly rejections: RejectionCache;
  readonly cors: CorsPolicy;
}

/** `search` is the query of the URL with its question mark. Rejects with `ClientDisconnected`, or an unexpected error. */
export async function handleGraphql(
  request: IncomingMessage,
  response: ServerResponse,
  search: string,
  { handlers, rejections, cors }: PipelineContext,
): Promise<void> {
  if (request.method === 'OPTIONS') {
    setSecurityHeaders(response);
    return cors.sendPreflight(request, response);
  }
  if (cors.isForbidden(request)) return rejectOrigin(request, response);
  const accepts = readAccept(request.headers.accept);
  if (accepts.prefersHtml && isPageRequest(request, search))
    return sendPage(request, response, { hasExplorer: handlers.explorer !== undefined });
  const client = new ClientConnection();
  response.on('close', () => {
    if (!response.writableFinished) client.close();
  });
  const rejected = rejectByHeaders(request, MAX_BODY);
  if (rejected) return sendAndClose(request, response, errorResponse(rejected.error, rejected.status));
  let principal: Principal | null;
  try {
    principal = await handlers.authenticate(request);
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    response.setHeader('www-authenticate', 'Bearer error="invalid_token"');
    return sendAndClose(request, response, errorResponse(error, 401));
  }
  const overBudget = handlers.overBudget?.(principal);
  if (overBudget) {
    rejections.remember(request, overBudget.error, overBudget.milliseconds);
    return sendTooManyRequests(request, response, overBudget.error);
  }
  const { unread } = handlers;
  const tooMuchUnread = unread?.rejection(callerKey(principal));
  if (tooMuchUnread) return sendTooManyRequests(request, response, tooMuchUnread);
  const body = await readBody(request, MAX_BODY);
  if (body === null) return sendAndClose(request, response, errorResponse(bodyTooLarge(MAX_BODY, null), 413));

  const respond = async (release: () => void): Promise<void> => {
    if (client.isClosed) return;
    const { stream } = accepts;
    const opened = stream && handlers.stream?.(request, { search, body, principal, accepts: { ...accepts, stream } });
    if (opened) {
      // An endless stream must not keep its caller's turn.
      if (opened.endless) release();
      setSecurityHeaders(response);
      return await opened.write(response, client.signal);
    }
    const result = await handlers.graphql.handle({
      method: request.method ?? 'POST',
      headers: request.headers,
      search,
      body,
      principal,
      signal: client,
      isSafeRead: request.method === 'GET' && cors.isSafeRead(request),
    });
    // Requests that ran at the same time may have used up the caller's unread bytes.
    const exceeded = result.body.length > SMALL_RESPONSE ? unread?.rejection(callerKey(principal)) : null;
    if (exceeded) return sendTooManyRequests(request, response, exceeded);
    const track = unread && (() => trackResponse(unread, callerKey(principal), response));
    sendInBatch(response, result, track);
  };
  if (!handlers.schedule) return respond(() => undefined);
  let isStarted = false;
  try {
    await handlers.schedule(principal, (release) => {
      isStarted = true;
      return respond(release);
    });
  } catch (error) {
    if (isStarted || !(error instanceof HubError)) throw error;
    sendTooManyRequests(request, response, error);
  }
}

/** Responds to the webhook of a source system. */
export async function handleWebhook(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  handlers: HttpHandlers,
): Promise<void> {
  const installation = decodeURIComponent(path.slice('/webhooks/'.length));
  const target = (await handlers.webhooks?.(installation)) ?? null;
  const { intake = DEFAULT_INTAKE } = handlers;
  await respondToWebhook(request, response, { installation, path, target, intake });
}
