/** A bare `ws` broadcast, beside which the hub's deliveries are measured: a process of its own that sends what it is told to all its sockets. */
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ port: Number(process.env['PORT']), host: '127.0.0.1', perMessageDeflate: false });
process.on('message', ({ text }: { text: string }) => {
  const bytes = Buffer.from(text);
  for (const client of server.clients) client.send(bytes, { binary: false });
});
process.on('disconnect', () => process.exit(0));
