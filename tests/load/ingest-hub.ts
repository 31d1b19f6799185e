/** The hub of the ingest runs, a process of its own that is killed. It loads everything, then waits for the word to begin. */
import 'reflect-metadata';
import { islands } from '../../connectors/index.ts';
import { readConfig } from '../../connectors/kit/config/config-file.ts';
import type { HostPace } from '../../connectors/kit/config/sections/check-intervals.ts';
import { makeLog } from '../../connectors/kit/log.ts';
import { start } from '../../gateway/main.ts';

/** What the hub is told to be. */
export interface HubOrder {
  readonly config: string;
  readonly env: Readonly<Record<string, string>>;
  readonly port: number;
  readonly data: string;
  readonly databaseUrl: string;
  readonly pace: Partial<HostPace>;
}

const usage = () => {
  const { user, system } = process.cpuUsage();
  return { cpu: (user + system) / 1e6, rss: process.memoryUsage().rss };
};

process.on('message', (message: { begin?: HubOrder; ask?: 'usage' }) => {
  if (message.ask === 'usage') process.send?.({ usage: usage() });
  const { begin } = message;
  if (!begin) return;
  start({
    config: readConfig(begin.config, 'ingest.yaml', islands, { ...begin.env }),
    host: '127.0.0.1',
    port: begin.port,
    data: begin.data,
    databaseUrl: begin.databaseUrl,
    log: makeLog(undefined, 'error'),
    pace: begin.pace,
  }).then(
    (hub) => {
      process.on('SIGTERM', () => void hub.stop().then(() => process.exit(0)));
      process.send?.({ begun: true });
    },
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ loaded: true });
