/** The handwritten plan behind HTTP, and a server of prepared responses. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { bodyTooLarge, readBody, rejectByHeaders } from '../http/body-limit.ts';
import { sendInBatch } from '../http/response-batch.ts';
import { errorResponse, sendAndClose } from '../http/responses.ts';
import { handwrittenResponse } from './handwritten-plan.ts';
import { BODIES } from './workload.ts';

const HEADERS = { 'content-type': 'application/json; charset=utf-8' };

const serve = (respond: (body: string, signal: AbortSignal) => string): Promise<Server> => {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    const disconnected = new AbortController();
    response.on('close', () => {
      if (!response.writableFinished) disconnected.abort();
    });
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const bytes = Buffer.from(respond(Buffer.concat(parts).toString('utf8'), disconnected.signal));
      response.writeHead(200, { ...HEADERS, 'content-length': bytes.length });
      response.end(bytes);
    });
  });
  return listening(server);
};

const listening = (server: Server): Promise<Server> => {
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve) => void server.listen(0, '127.0.0.1', () => resolve(server)));
};

/** The handwritten plan behind a plain `node:http` server. */
export const serveHandwrittenPlan = (): Promise<Server> => serve(handwrittenResponse);

const MAX_BODY = 512 * 1024;
const RESPONSE_HEADERS = { 'cache-control': 'no-store', ...HEADERS };

/**
 * The same plan behind the gateway's own HTTP code, with its limits and headers. Compared with `serveHandwrittenPlan` it shows which part of
 * a ratio is HTTP and which is the engine.
 */
export function serveHandwrittenPlanOverGatewayHttp(): Promise<Server> {
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const signal = { aborted: false };
    response.on('close', () => {
      if (!response.writableFinished) signal.aborted = true;
    });
    const rejection = rejectByHeaders(request, MAX_BODY);
    if (rejection) return sendAndClose(request, response, errorResponse(rejection.error, rejection.status));
    const body = await readBody(request, MAX_BODY);
    if (body === null) return sendAndClose(request, response, errorResponse(bodyTooLarge(MAX_BODY, null), 413));
    const content = {
      status: 200,
      headers: RESPONSE_HEADERS,
      body: handwrittenResponse(body.toString('utf8'), signal),
    };
    sendInBatch(response, content, undefined);
  };
  return listening(createServer((request, response) => void handle(request, response).catch(() => response.destroy())));
}

/** Prepared responses: the lower limit for every server of this kind. */
export function serveStaticBytes(): Promise<Server> {
  const signal = new AbortController().signal;
  const prepared = new Map(
    Object.values(BODIES).flatMap((bodies) => bodies.map((body) => [body, handwrittenResponse(body, signal)] as const)),
  );
  return serve((body) => prepared.get(body) ?? 'null');
}
