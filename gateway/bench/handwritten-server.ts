/** The hand-written plan behind HTTP, and ready-made answers. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { HubError } from '../../connectors/kit/errors.ts';
import { read } from '../http/body-limit.ts';
import { cut, fault, send } from '../http/responses.ts';
import { refusedUnread } from '../http/security/security-headers.ts';
import { answer } from './handwritten-plan.ts';
import { BODIES } from './workload.ts';

const HEADERS = { 'content-type': 'application/json; charset=utf-8' };

const listen = (reply: (body: string, signal: AbortSignal) => string): Promise<Server> => {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    const gone = new AbortController();
    response.on('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const bytes = Buffer.from(reply(Buffer.concat(parts).toString('utf8'), gone.signal));
      response.writeHead(200, { ...HEADERS, 'content-length': bytes.length });
      response.end(bytes);
    });
  });
  return bound(server);
};

const bound = (server: Server): Promise<Server> => {
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve) => void server.listen(0, '127.0.0.1', () => resolve(server)));
};

/** The hand-written plan behind HTTP. */
export const serveByHand = (): Promise<Server> => listen(answer);

const LARGEST = 512 * 1024;
const SHOWN = { 'cache-control': 'no-store', ...HEADERS };

/**
 * The same plan where the gateway's own hands read and write HTTP, with its limits and headers: beside `serveByHand` it tells what of the
 * ratio is HTTP and what is the engine.
 */
export function serveByHandAtOurDoor(): Promise<Server> {
  const answered = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const signal = { aborted: false };
    response.on('close', () => {
      if (!response.writableFinished) signal.aborted = true;
    });
    const unread = refusedUnread(request, LARGEST);
    if (unread) return cut(request, response, fault(unread.error, unread.status));
    const body = await read(request, LARGEST);
    if (body === null)
      return cut(request, response, fault(new HubError('LIMIT_SIZE', 'The request is too large.'), 413));
    send(response, { status: 200, headers: SHOWN, body: answer(body.toString('utf8'), signal) });
  };
  return bound(createServer((request, response) => void answered(request, response).catch(() => response.destroy())));
}

/** Whole answers made before: the floor under every server of this kind. */
export function serveBytes(): Promise<Server> {
  const never = new AbortController().signal;
  const known = new Map(
    Object.values(BODIES).flatMap((all) => all.map((body) => [body, answer(body, never)] as const)),
  );
  return listen((body) => known.get(body) ?? 'null');
}
