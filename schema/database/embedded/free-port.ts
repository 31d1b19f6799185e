/** A port to listen on. */
import { createServer } from 'node:net';

/** A loopback TCP port that was free a moment ago. Rejects with the system's error when there is none. */
export function freePort(): Promise<number> {
  return new Promise((found, failed) => {
    const server = createServer();
    server.once('error', failed);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => found(port));
    });
  });
}
