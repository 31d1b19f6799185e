import { randomBytes } from 'node:crypto';
import { generate } from 'mqtt-packet';
import { expect, test } from 'vitest';
import { type LargeMessageHeader, MqttFrames } from './mqtt-frames.ts';

const LIMIT = 1_000;

/** The result of these bytes when they are received in chunks of `chunk` bytes. */
function read(bytes: Buffer, version: 4 | 5, chunk: number) {
  const small: Buffer[] = [];
  const large: { head: LargeMessageHeader; pieces: Buffer[]; ended: boolean }[] = [];
  const frames = new MqttFrames(version, LIMIT, {
    onPacketBytes: (some) => small.push(Buffer.from(some)),
    onLargeBegin: (head) => large.push({ head, pieces: [], ended: false }),
    onLargeChunk: (some) => void large.at(-1)?.pieces.push(some),
    onLargeEnd: () => {
      const one = large.at(-1);
      if (one) one.ended = true;
    },
  });
  for (let at = 0; at < bytes.length; at += chunk) frames.push(bytes.subarray(at, at + chunk));
  return { small: Buffer.concat(small), large };
}

const publish = (version: 4 | 5, payload: Buffer, qos: 0 | 1 = 1) =>
  generate(
    {
      ...{ cmd: 'publish', topic: 'park/g/M1/telemetry', payload, qos, dup: false, retain: false },
      ...(qos > 0 ? { messageId: 4711 } : {}),
      ...(version === 5 ? { properties: { userProperties: { from: 'x'.repeat(300) } } } : {}),
    },
    { protocolVersion: version },
  );

test.each([4, 5] as const)(
  'MQTT %i: passes packets on unchanged and streams the payload of larger ones, for any chunk size',
  (version) => {
    const payloads = [randomBytes(5_000), randomBytes(20), randomBytes(1_001), randomBytes(20_000)];
    const ping = generate({ cmd: 'pingresp' });
    const ack = generate({ cmd: 'puback', messageId: 7 }, { protocolVersion: version });
    const little = publish(version, payloads[1] as Buffer);
    const bytes = Buffer.concat([
      ...[ping, publish(version, payloads[0] as Buffer), little, ack],
      ...[publish(version, payloads[2] as Buffer, 0), publish(version, payloads[3] as Buffer), ping],
    ]);
    for (const chunk of [1, 2, 3, 7, 64, 1_000, 4_096, bytes.length]) {
      const { small, large } = read(bytes, version, chunk);
      expect(small.equals(Buffer.concat([ping, little, ack, ping]))).toBe(true);
      expect(large.map(({ head, ended }) => [head.topic, head.id, head.size, ended])).toEqual([
        ['park/g/M1/telemetry', 4711, 5_000, true],
        ['park/g/M1/telemetry', null, 1_001, true],
        ['park/g/M1/telemetry', 4711, 20_000, true],
      ]);
      const wanted = [payloads[0], payloads[2], payloads[3]] as Buffer[];
      expect(large.every(({ pieces }, i) => Buffer.concat(pieces).equals(wanted[i] as Buffer))).toBe(true);
    }
  },
);

test('MQTT frames: rejects a remaining length of more than four bytes', () => {
  expect(() => read(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0xff]), 4, 2)).toThrow('invalid remaining length');
});
