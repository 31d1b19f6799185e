/** A plain `ws` broadcast server, the baseline for the hub's deliveries: sends each message from its parent process to all its sockets. */
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ port: Number(process.env['PORT']), host: '127.0.0.1', perMessageDeflate: false });
process.on('message', ({ text }: { text: string }) => {
  const bytes = Buffer.from(text);
  for (const client of server.clients) client.send(bytes, { binary: false });
});
process.on('disconnect', () => process.exit(0));
