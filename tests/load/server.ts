/** The served side of the load runs, a process of its own: the whole hub without islands, or a bare `ws` broadcast beside which it is measured. */
import 'reflect-metadata';
import { WebSocketServer } from 'ws';
import { readConfig } from '../../connectors/kit/host/config.ts';
import { makeLog } from '../../connectors/kit/log.ts';
import { start } from '../../gateway/main.ts';

const [what, databaseUrl, data] = process.argv.slice(2);
const tell = (message: object) => process.send?.(message);
const usage = () => {
  const { user, system } = process.cpuUsage();
  return { cpu: (user + system) / 1000, rss: process.memoryUsage().rss };
};

let port = 0;
let broadcast: ((text: string, count: number) => void) | null = null;
let peak = 0;
setInterval(() => {
  peak = Math.max(peak, process.memoryUsage().rss);
}, 100).unref();

if (what === 'hub') {
  const text = 'parks: [ { id: load, name: Load, region: "500112" } ]\ninstallations: []\nanonymous: operator\n';
  const hub = await start({
    config: readConfig(text.replace('operator', 'developer'), 'load.yaml', [], {}),
    host: '127.0.0.1',
    port: 0,
    data: data ?? '.',
    databaseUrl: databaseUrl ?? null,
    log: makeLog(undefined, 'warn'),
  });
  port = Number(new URL(hub.url).port);
  process.on('SIGTERM', () => void hub.stop().then(() => process.exit(0)));
} else {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  await new Promise((resolve) => server.once('listening', resolve));
  port = (server.address() as { port: number }).port;
  broadcast = (frame, count) => {
    const bytes = Buffer.from(frame);
    let sent = 0;
    const next = () => {
      if (sent++ >= count) return;
      let last: Promise<void> | undefined;
      for (const client of server.clients) {
        last = new Promise((resolve) => client.send(bytes, { binary: false }, () => resolve()));
      }
      void last?.then(() => setImmediate(next));
    };
    next();
  };
  process.on('SIGTERM', () => process.exit(0));
}
process.on('message', (message: { ask: string; text?: string; count?: number }) => {
  if (message.ask === 'usage') tell({ usage: { ...usage(), peak } });
  if (message.ask === 'broadcast') broadcast?.(message.text ?? '', message.count ?? 0);
});
process.on('disconnect', () => process.exit(0));
tell({ port });
