/** What both pretend systems share: a JSON server with a journal. They share nothing with the connector. */
import { createServer, type Server } from 'node:http';
import { Journal, listen, type Running } from '../../kit/testing/simulator.ts';

/** One request as a simulator sees it. */
export interface Asked {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Serves `answer` on loopback below `base`; each call is one line of the journal. */
export async function serveJson(options: {
  readonly directory: string;
  readonly port: number | undefined;
  readonly base: string;
  readonly answer: (asked: Asked) => { status: number; body: unknown };
  readonly env: (url: string) => Record<string, string>;
  readonly onClose?: () => void;
}): Promise<Running> {
  const journal = new Journal(options.directory);
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const path = url.pathname.startsWith(options.base) ? url.pathname.slice(options.base.length) : '';
    const { status, body } =
      request.method === 'GET'
        ? options.answer({ path, query: url.searchParams, headers: request.headers })
        : { status: 405, body: { error: 'Only GET.' } };
    journal.append({ operation: `GET ${path}`, query: url.search, status });
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  server.keepAliveTimeout = 5_000;
  const port = await listen(server, options.port);
  return {
    ports: { http: port },
    env: options.env(`http://127.0.0.1:${port}${options.base}`),
    close: ending(server, options.onClose),
  };
}

/** Closes a server once, whatever is under way. */
export function ending(server: Server, before?: () => void): () => Promise<void> {
  let closed: Promise<void> | undefined;
  return () => {
    before?.();
    closed ??= new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
    return closed;
  };
}

/** A number from 0 to 1 that only hangs on the text. */
export function noise(text: string): number {
  let hash = 2166136261;
  for (const sign of text) hash = Math.imul(hash ^ (sign.codePointAt(0) ?? 0), 16777619);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 2246822507);
  hash ^= hash >>> 13;
  return (hash >>> 0) / 4294967296;
}
