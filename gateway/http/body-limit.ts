/** Reading what a client sends. */
import type { IncomingMessage } from 'node:http';

/** Nobody is left to be answered. */
export class ClientGone extends Error {}

/** The whole body, or null when it is larger than `most`. Rejects when the client goes away before its end. */
export function read(request: IncomingMessage, most: number): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const take = (part: Buffer) => {
      size += part.length;
      if (size <= most) return void parts.push(part);
      request.off('data', take);
      request.pause();
      resolve(null);
    };
    request.on('data', take);
    request.on('end', () => resolve(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)));
    const gone = () => {
      if (!request.complete) reject(new ClientGone('The client went away while it was sending.'));
    };
    request.on('error', gone);
    request.on('close', gone);
  });
}
