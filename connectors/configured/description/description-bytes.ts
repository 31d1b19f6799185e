import { malformed } from '../../kit/errors.ts';

const LARGEST = 16 * 1024 * 1024;

/** The bytes of a description; rejects with `SourceError` when it is larger than 16 MiB. */
export async function readBytes(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > LARGEST) throw malformed(`the answer is larger than ${LARGEST} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
