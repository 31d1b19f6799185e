/** The hub of the ingest tests, a separate process that is killed. It loads all modules, then waits for a `begin` message. */
import 'reflect-metadata';
import { sourceConnectors } from '../../connectors/index.ts';
import { readConfig } from '../../connectors/kit/config/config-file.ts';
import type { CheckIntervals } from '../../connectors/kit/config/sections/check-intervals.ts';
import { createLog } from '../../connectors/kit/log.ts';
import { startHub } from '../../gateway/main.ts';

/** The hub's configuration, sent with `begin`. */
export interface IngestHubOptions {
  readonly config: string;
  readonly env: Readonly<Record<string, string>>;
  readonly port: number;
  readonly data: string;
  readonly databaseUrl: string;
  readonly pace: Partial<CheckIntervals>;
}

const usage = () => {
  const { user, system } = process.cpuUsage();
  return { cpu: (user + system) / 1e6, rss: process.memoryUsage().rss };
};

process.on('message', (message: { begin?: IngestHubOptions; ask?: 'usage' }) => {
  if (message.ask === 'usage') process.send?.({ usage: usage() });
  const { begin } = message;
  if (!begin) return;
  startHub({
    config: readConfig(begin.config, 'ingest.yaml', sourceConnectors, { ...begin.env }),
    host: '127.0.0.1',
    port: begin.port,
    data: begin.data,
    databaseUrl: begin.databaseUrl,
    log: createLog(undefined, 'error'),
    intervals: begin.pace,
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
