import type { Socket } from 'node:net';

/**
 * Implements the minimum of PostgreSQL's protocol: answers every query with `row`, or, when it is null, rejects the password and
 * calls `onRejected`.
 */
export function fakePostgres(
  socket: Socket,
  row: Record<string, string> | null,
  onRejected = (): void => undefined,
): void {
  const message = (type: string, ...parts: (Buffer | string)[]) => {
    const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : part)));
    const length = Buffer.alloc(4);
    length.writeInt32BE(body.length + 4);
    return Buffer.concat([Buffer.from(type), length, body]);
  };
  const int16 = (value: number) => Buffer.from([value >> 8, value & 255]);
  const int32 = (value: number) => Buffer.from([value >> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255]);
  const ready = message('Z', Buffer.from('I'));
  let startupReceived = false;
  socket.on('data', (bytes: Buffer) => {
    if (!startupReceived) {
      startupReceived = true;
      if (row === null) {
        onRejected();
        socket.end(message('E', 'SFATAL', 'C28P01', 'Mpassword authentication failed', Buffer.from([0])));
      } else socket.write(Buffer.concat([message('R', int32(0)), ready]));
      return;
    }
    // 0x58: Terminate.
    if (row === null || bytes[0] === 0x58) return;
    const entries = Object.entries(row);
    const columns = entries.flatMap(([name]) => [
      name,
      int32(0),
      int16(0),
      int32(25),
      int16(-1 & 0xffff),
      int32(-1),
      int16(0),
    ]);
    const values = entries.flatMap(([, value]) => [int32(Buffer.byteLength(value)), Buffer.from(value)]);
    socket.write(
      Buffer.concat([
        message('1'),
        message('2'),
        message('T', int16(entries.length), ...columns),
        message('D', int16(entries.length), ...values),
        message('C', 'SELECT 1'),
        ready,
      ]),
    );
  });
}
