/** An MQTT broker that tests control. */
import { createServer, type Server, type Socket } from 'node:net';
import { Aedes } from 'aedes';
import { listen } from '../../kit/testing/simulator.ts';

/** Starts a broker on a loopback port. `disconnectAll` ends all connections, `rejectConnections` turns new ones away. */
export async function startTestBroker(port?: number, prepare: (broker: Aedes) => void = () => undefined) {
  const broker = await Aedes.createBroker();
  prepare(broker);
  const sockets = new Set<Socket>();
  let rejecting = false;
  const server: Server = createServer((socket) => {
    if (rejecting) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    broker.handle(socket);
  });
  const listeningPort = await listen(server, port);
  const disconnectAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: listeningPort,
    disconnectAll,
    on: (event: 'subscribe', listener: () => void) => void broker.on(event, listener),
    rejectConnections: (value: boolean) => {
      rejecting = value;
    },
    publish: (topic: string, payload: unknown) =>
      new Promise<void>((resolve) =>
        broker.publish(
          {
            cmd: 'publish',
            topic,
            payload: typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload),
            qos: 1,
            retain: false,
            dup: false,
          },
          () => resolve(),
        ),
      ),
    /** Calls the listener with the payload of each message on the topic. Resolves when subscribed. */
    onMessage: (topic: string, listener: (payload: string) => void) =>
      new Promise<void>((resolve) =>
        broker.subscribe(
          topic,
          (packet, done) => {
            listener(packet.payload.toString());
            done();
          },
          () => resolve(),
        ),
      ),
    /** Resolves when the client `air` subscribes. */
    subscribed: () =>
      new Promise<void>((resolve) =>
        broker.on('subscribe', (_subscriptions, client) => {
          if (client.id === 'air') resolve();
        }),
      ),
    close: async () => {
      disconnectAll();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await new Promise<void>((resolve) => broker.close(() => resolve()));
    },
  };
}
