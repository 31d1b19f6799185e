/** Finds a free TCP port. */
import { createServer } from 'node:net';

/** Resolves with a currently free loopback TCP port. Rejects with the system's error if there is none. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
