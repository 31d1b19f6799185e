/**
 * A pretend Modbus TCP gateway with its meters, written from the protocol's specification: function codes 3 and 4, a register
 * space per unit; what is not there is exception 2, a unit that is not there keeps silent.
 */
import { createServer, type Server, type Socket } from 'node:net';

/** Registers of one unit: 16-bit words by address, made anew at each question. */
export type Registers = (functionCode: number) => ReadonlyMap<number, number>;

/** Answers requests of `units`; told of each by `served`. */
export function modbusServer(
  units: ReadonlyMap<number, Registers>,
  served: (unit: number, address: number, count: number) => void,
): { server: Server; drop(): void } {
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
        const answer = answerTo(frame, units, served);
        if (answer) socket.write(answer);
      }
    });
  });
  return {
    server,
    drop: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function answerTo(
  frame: Buffer,
  units: ReadonlyMap<number, Registers>,
  served: (unit: number, address: number, count: number) => void,
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
  served(unit, address, count);
  return reply(frame, body);
}

function reply(frame: Buffer, body: Buffer): Buffer {
  const head = Buffer.from(frame.subarray(0, 7));
  head.writeUInt16BE(body.length + 1, 4);
  return Buffer.concat([head, body]);
}

/** Words of a 32-bit unsigned number. */
export const uint32 = (value: number): [number, number] => [Math.floor(value / 65_536) & 0xffff, value & 0xffff];

/** Words of a float. */
export function float32(value: number): [number, number] {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatBE(value);
  return [bytes.readUInt16BE(0), bytes.readUInt16BE(2)];
}

/** Words of a 64-bit number. */
export function int64(value: bigint): number[] {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return [0, 2, 4, 6].map((at) => bytes.readUInt16BE(at));
}
