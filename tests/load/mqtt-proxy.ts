/** A proxy between a real MQTT broker and the hub that records acknowledged payloads, and a publisher at QoS 1. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { delimiter, join } from 'node:path';
import { generate, type IPublishPacket, type Packet, parser } from 'mqtt-packet';
import { startTestBroker } from '../../connectors/energy/simulator/test-broker.ts';
import { listen } from '../../connectors/kit/testing/simulator.ts';
import { mosquitto } from '../services/peers/mosquitto.ts';

export interface Broker {
  readonly name: string;
  readonly port: number;
  stop(): Promise<void>;
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Mosquitto if installed, otherwise aedes in this process. */
export async function startBroker(directory: string): Promise<Broker> {
  const paths = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'];
  if (paths.some((path) => existsSync(join(path, 'mosquitto')))) {
    const folder = join(directory, 'mosquitto');
    mkdirSync(folder);
    process.env['PATH'] = paths.join(delimiter);
    const started = await mosquitto.start(folder);
    return {
      name: 'Mosquitto',
      port: Number(new URL(String(started.env['MQTT_URL'])).port),
      stop: () => started.stop(),
    };
  }
  const made = await startTestBroker();
  return { name: 'aedes', port: made.port, stop: () => made.close() };
}

/** Starts the proxy; `acknowledged` contains the SHA-256 digests of payloads that the hub acknowledged. */
export async function recordingProxy(brokerPort: number) {
  const acknowledged = new Set<string>();
  const sockets = new Set<Socket>();
  const server = createServer((hub) => {
    const broker = connect(brokerPort, '127.0.0.1');
    const sent = new Map<number, string>();
    let fromBroker: ReturnType<typeof parser> | null = null;
    const fromHub = parser({ protocolVersion: 5 });
    fromHub.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connect') {
        const version = packet.protocolVersion ?? 4;
        fromBroker = parser({ protocolVersion: version });
        fromBroker.on('packet', (one: Packet) => {
          if (one.cmd !== 'publish' || one.qos === 0) return;
          const { messageId, payload } = one as IPublishPacket;
          sent.set(Number(messageId), sha256(payload as Buffer));
        });
      }
      const digest = packet.cmd === 'puback' ? sent.get(Number(packet.messageId)) : undefined;
      if (digest !== undefined) acknowledged.add(digest);
    });
    broker.on('data', (bytes: Buffer) => {
      fromBroker?.parse(bytes);
      if (!hub.write(bytes)) broker.pause();
    });
    hub.on('drain', () => broker.resume());
    hub.on('data', (bytes: Buffer) => {
      broker.write(bytes);
      fromHub.parse(bytes);
    });
    for (const [one, other] of [
      [hub, broker],
      [broker, hub],
    ] as const) {
      sockets.add(one);
      one
        .on('error', () => undefined)
        .on('close', () => {
          sockets.delete(one);
          other.destroy();
        });
    }
  });
  const port = await listen(server);
  return {
    port,
    acknowledged,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Maximum number of unacknowledged messages to the broker. */
const WINDOW = 100;

/** Publishes at QoS 1; `publish` resolves when the next message may be sent, `flushed` when the broker has acknowledged all. */
export async function publisher(brokerPort: number) {
  const socket = connect(brokerPort, '127.0.0.1');
  const read = parser({ protocolVersion: 4 });
  const under = new Map<number, () => void>();
  let resume: (() => void) | null = null;
  let next = 0;
  let failed: Error | null = null;
  const ready = new Promise<void>((resolve, reject) => {
    read.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connack') resolve();
      if (packet.cmd !== 'puback') return;
      under.get(Number(packet.messageId))?.();
      under.delete(Number(packet.messageId));
      resume?.();
    });
    socket.on('error', (error) => {
      failed = error;
      reject(error);
      resume?.();
    });
  });
  socket.on('data', (bytes: Buffer) => void read.parse(bytes));
  socket.write(
    generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: 'show', keepalive: 0 }),
  );
  await ready;
  const until = async (limit: number) => {
    while (under.size > limit) {
      if (failed) throw failed;
      await new Promise<void>((resolve) => {
        resume = resolve;
      });
    }
  };
  return {
    publish: async (topic: string, payload: Buffer, taken: () => void = () => undefined) => {
      await until(WINDOW - 1);
      next = (next % 65_535) + 1;
      under.set(next, taken);
      socket.write(generate({ cmd: 'publish', topic, payload, qos: 1, messageId: next, dup: false, retain: false }));
    },
    flushed: () => until(0),
    close: () => void socket.destroy(),
  };
}
