/** Reads request bodies up to a maximum size; rejects compressed and too large ones before they are read. */
import type { IncomingMessage } from 'node:http';
import { HubError } from '../../connectors/kit/errors.ts';

/** The client disconnected while it sent the body; nobody reads a response. */
export class ClientDisconnected extends Error {}

/**
 * Checks the headers before a byte of the body is read: 415 for a compressed body, 413 for a `content-length` above `maxBytes`.
 * Null when the body may be read.
 */
export function rejectByHeaders(
  request: IncomingMessage,
  maxBytes: number,
): { status: number; error: HubError } | null {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    // A body that is small when compressed can be huge in memory.
    return {
      status: 415,
      error: new HubError(
        'BAD_REQUEST',
        `Content-Encoding ${encoding.slice(0, 40)} is not supported. Send the body uncompressed.`,
      ),
    };
  }
  const length = Number(request.headers['content-length'] ?? 0);
  return length > maxBytes ? { status: 413, error: bodyTooLarge(maxBytes, length) } : null;
}

/** `LIMIT_SIZE`; `found` is null when the body's length was not declared. */
export function bodyTooLarge(maxBytes: number, found: number | null): HubError {
  const size = found === null ? '' : ` of ${found.toLocaleString('en')} bytes`;
  return new HubError(
    'LIMIT_SIZE',
    `Request body${size} is too large: at most ${maxBytes.toLocaleString('en')} bytes. Send a smaller operation or fewer variables.`,
    { limit: maxBytes, ...(found === null ? {} : { found }) },
  );
}

/** Resolves with the whole body; with null if it is larger than `maxBytes`. Rejects with `ClientDisconnected`. */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) return void chunks.push(chunk);
      request.off('data', onData);
      request.pause();
      resolve(null);
    };
    request.on('data', onData);
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    const onClose = () => {
      if (!request.complete) reject(new ClientDisconnected('The client disconnected while it sent the body.'));
    };
    request.on('error', onClose);
    request.on('close', onClose);
  });
}
