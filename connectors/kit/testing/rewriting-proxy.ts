/** An HTTP server between hub and simulator that changes the text of answers: a vendor that has renamed something. */
import { createServer, request } from 'node:http';
import { listen } from './simulator.ts';

export interface Rewriting {
  /** Its own base address; paths are the target's. */
  readonly url: string;
  /** From now on; null: answers go through as they are. */
  rewrite(how: ((text: string) => string) | null): void;
  close(): Promise<void>;
}

/** @param target base address of a simulator that speaks plain HTTP and UTF-8 */
export async function rewriting(target: string): Promise<Rewriting> {
  let change: ((text: string) => string) | null = null;
  const { host, pathname } = new URL(target);
  const server = createServer((asked, answer) => {
    const onward = request(
      `http://${host}${asked.url ?? ''}`,
      { method: asked.method, headers: { ...asked.headers, host } },
      (told) => {
        const parts: Buffer[] = [];
        told.on('data', (part: Buffer) => parts.push(part));
        told.on('end', () => {
          const text = Buffer.concat(parts).toString('utf8');
          const body = Buffer.from(change ? change(text) : text);
          const { 'content-length': _, 'transfer-encoding': __, ...headers } = told.headers;
          answer.writeHead(told.statusCode ?? 502, { ...headers, 'content-length': body.length }).end(body);
        });
      },
    );
    onward.on('error', () => answer.destroy());
    asked.pipe(onward);
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}${pathname === '/' ? '' : pathname}`,
    rewrite: (how) => {
      change = how;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
