/** A hub of the kill test in a process of its own, so that it can be killed. */
import 'reflect-metadata';
import { type Place, raise } from './raise.ts';

const hub = await raise(JSON.parse(process.argv[2] ?? '{}') as Place);
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
