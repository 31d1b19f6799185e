// npm hands SIGINT and SIGTERM on, but not SIGHUP, and nothing when it is killed: what `npm start` or `npx` began ends with it.

/** How often it is looked whether npm still runs, in milliseconds. */
const LOOK = 1_000;

if (['start', 'npx'].includes(process.env.npm_lifecycle_event ?? '')) {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, LOOK);
  timer.unref();
}
