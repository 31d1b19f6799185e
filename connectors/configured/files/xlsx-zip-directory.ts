/** Reads the central directory of a ZIP file, which a workbook is. Pure. */

const END = 'PK\u0005\u0006';
const ENTRY = 0x02014b50;
const HEAD = 46;

/** Bytes of all entries after decompression, according to the directory; 0 if it is not a ZIP file. */
export function unpackedSize(bytes: Buffer): number {
  const end = bytes.lastIndexOf(END);
  if (end < 0 || end + 20 > bytes.length) return 0;
  let size = 0;
  for (let at = bytes.readUInt32LE(end + 16); at + HEAD <= bytes.length && bytes.readUInt32LE(at) === ENTRY; ) {
    size += bytes.readUInt32LE(at + 24);
    at += HEAD + bytes.readUInt16LE(at + 28) + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  return size;
}
