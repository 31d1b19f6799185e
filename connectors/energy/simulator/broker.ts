/** An MQTT broker that tests hold in their hands. */
import { createServer, type Server, type Socket } from 'node:net';
import { Aedes } from 'aedes';
import { listen } from '../../kit/testing/simulator.ts';

/** A broker with its port; `cut` ends all connections, `deaf` refuses new ones. */
export async function startBroker(port?: number, prepare: (broker: Aedes) => void = () => undefined) {
  const broker = await Aedes.createBroker();
  prepare(broker);
  const sockets = new Set<Socket>();
  let deaf = false;
  const server: Server = createServer((socket) => {
    if (deaf) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    broker.handle(socket);
  });
  const at = await listen(server, port);
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: at,
    cut,
    on: (event: 'subscribe', heard: () => void) => void broker.on(event, heard),
    deaf: (value: boolean) => {
      deaf = value;
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
    asked: (topic: string, heard: (payload: string) => void) =>
      new Promise<void>((resolve) =>
        broker.subscribe(
          topic,
          (packet, done) => {
            heard(packet.payload.toString());
            done();
          },
          () => resolve(),
        ),
      ),
    subscribed: () =>
      new Promise<void>((resolve) =>
        broker.on('subscribe', (_all, client) => {
          if (client.id === 'air') resolve();
        }),
      ),
    close: async () => {
      cut();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await new Promise<void>((resolve) => broker.close(() => resolve()));
    },
  };
}
