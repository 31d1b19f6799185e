/** An HTTP proxy between hub and simulator that edits response bodies, as if the vendor had changed its API. */
import { createServer, request } from 'node:http';
import { listen } from './simulator.ts';

export interface RewritingProxy {
  /** Base URL of the proxy; paths are the target's. */
  readonly url: string;
  /** Applies the edit to all further responses; null: responses pass unchanged. */
  rewrite(edit: ((text: string) => string) | null): void;
  close(): Promise<void>;
}

/** Starts the proxy on a free loopback port. `target` is the base URL of a simulator that serves UTF-8 over plain HTTP. */
export async function startRewritingProxy(target: string): Promise<RewritingProxy> {
  let edit: ((text: string) => string) | null = null;
  const { host, pathname } = new URL(target);
  const server = createServer((incoming, response) => {
    const upstream = request(
      `http://${host}${incoming.url ?? ''}`,
      { method: incoming.method, headers: { ...incoming.headers, host } },
      (original) => {
        const parts: Buffer[] = [];
        original.on('data', (part: Buffer) => parts.push(part));
        original.on('end', () => {
          const text = Buffer.concat(parts).toString('utf8');
          const body = Buffer.from(edit ? edit(text) : text);
          const { 'content-length': _, 'transfer-encoding': __, ...headers } = original.headers;
          response.writeHead(original.statusCode ?? 502, { ...headers, 'content-length': body.length }).end(body);
        });
      },
    );
    upstream.on('error', () => response.destroy());
    incoming.pipe(upstream);
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}${pathname === '/' ? '' : pathname}`,
    rewrite: (next) => {
      edit = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
