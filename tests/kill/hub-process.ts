/** A hub of the kill test in a separate process, so that it can be killed. */
import 'reflect-metadata';
import { type HubSettings, startKillTestHub } from './start-hub.ts';

const hub = await startKillTestHub(JSON.parse(process.argv[2] ?? '{}') as HubSettings);
const tell = (message: object) => process.send?.(message);
process.on('message', (message) => {
  if (message !== 'reload') return;
  hub.reload().then(
    () => tell({ reloaded: true }),
    (error: Error) => tell({ failed: error.message }),
  );
});
process.on('SIGTERM', () => void hub.stop().then(() => process.exit(0)));
process.on('disconnect', () => process.exit(0));
tell({ up: true });
