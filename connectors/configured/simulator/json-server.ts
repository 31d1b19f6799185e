/** Shared by the simulators: a JSON server with a journal. Shares no code with the connectors. */
import { createServer, type Server } from 'node:http';
import { Journal, listen, type RunningSimulator } from '../../kit/testing/simulator.ts';

/** One request to a simulator; `path` is relative to its base. */
export interface SimulatorRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Serves `handle` on loopback below `base`. Writes a line to the journal for each request. */
export async function serveJson(options: {
  readonly directory: string;
  readonly port: number | undefined;
  readonly base: string;
  readonly handle: (request: SimulatorRequest) => { status: number; body: unknown };
  readonly env: (url: string) => Record<string, string>;
  readonly onClose?: () => void;
}): Promise<RunningSimulator> {
  const journal = new Journal(options.directory);
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const path = url.pathname.startsWith(options.base) ? url.pathname.slice(options.base.length) : '';
    const { status, body } =
      request.method === 'GET'
        ? options.handle({ path, query: url.searchParams, headers: request.headers })
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
    close: closeOnce(server, options.onClose),
  };
}

/** A function that closes a server and its connections; idempotent. `onClose` runs first, on every call. */
export function closeOnce(server: Server, onClose?: () => void): () => Promise<void> {
  let closed: Promise<void> | undefined;
  return () => {
    onClose?.();
    closed ??= new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
    return closed;
  };
}

/** A number from 0 to 1, derived from the text. */
export function noise(text: string): number {
  let hash = 2166136261;
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 2246822507);
  hash ^= hash >>> 13;
  return (hash >>> 0) / 4294967296;
}
