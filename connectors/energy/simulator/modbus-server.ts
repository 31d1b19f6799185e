/**
 * Simulates a Modbus TCP gateway with meters, written from the protocol's specification: function codes 3 and 4, one register space
 * per unit. A missing register is exception 2; a missing unit does not respond.
 */
import { createServer, type Server, type Socket } from 'node:net';

/** Registers of one unit: 16-bit words by address, created for each request. */
export type Registers = (functionCode: number) => ReadonlyMap<number, number>;

/** A server for these units, not listening yet. Calls `onRequest` for each successful request. */
export function createModbusServer(
  units: ReadonlyMap<number, Registers>,
  onRequest: (unit: number, address: number, count: number) => void,
): { server: Server; disconnectAll(): void } {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let bytes = Buffer.alloc(0);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    socket.on('data', (part) => {
      bytes = Buffer.concat([bytes, part]);
      while (bytes.length >= 8 && bytes.length >= 6 + bytes.readUInt16BE(4)) {
        const frame = bytes.subarray(0, 6 + bytes.readUInt16BE(4));
        bytes = bytes.subarray(frame.length);
        const response = responseTo(frame, units, onRequest);
        if (response) socket.write(response);
      }
    });
  });
  return {
    server,
    disconnectAll: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function responseTo(
  frame: Buffer,
  units: ReadonlyMap<number, Registers>,
  onRequest: (unit: number, address: number, count: number) => void,
): Buffer | null {
  const unit = frame.readUInt8(6);
  const functionCode = frame.readUInt8(7);
  const space = units.get(unit);
  if (!space) return null;
  const exception = (code: number) => reply(frame, Buffer.from([functionCode | 0x80, code]));
  if (functionCode !== 3 && functionCode !== 4) return exception(1);
  if (frame.length < 12) return exception(3);
  const address = frame.readUInt16BE(8);
  const count = frame.readUInt16BE(10);
  if (count < 1 || count > 125) return exception(3);
  const registers = space(functionCode);
  const body = Buffer.alloc(2 + count * 2);
  body[0] = functionCode;
  body[1] = count * 2;
  for (let i = 0; i < count; i++) {
    const word = registers.get(address + i);
    if (word === undefined) return exception(2);
    body.writeUInt16BE(word, 2 + i * 2);
  }
  onRequest(unit, address, count);
  return reply(frame, body);
}

function reply(frame: Buffer, body: Buffer): Buffer {
  const head = Buffer.from(frame.subarray(0, 7));
  head.writeUInt16BE(body.length + 1, 4);
  return Buffer.concat([head, body]);
}

/** Words of a 32-bit unsigned integer. */
export const uint32 = (value: number): [number, number] => [Math.floor(value / 65_536) & 0xffff, value & 0xffff];

/** Words of a 32-bit float. */
export function float32(value: number): [number, number] {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatBE(value);
  return [bytes.readUInt16BE(0), bytes.readUInt16BE(2)];
}

/** Words of a 64-bit signed integer. */
export function int64(value: bigint): number[] {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return [0, 2, 4, 6].map((at) => bytes.readUInt16BE(at));
}
