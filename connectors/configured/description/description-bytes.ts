import { malformed } from '../../kit/errors.ts';

/** Bytes. */
const MAX_SIZE = 16 * 1024 * 1024;

/** Reads the body of a description. Rejects with `SourceError` (malformed) above `MAX_SIZE`. */
export async function readDescriptionBytes(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > MAX_SIZE) throw malformed(`the response is larger than ${MAX_SIZE} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
