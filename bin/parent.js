// Ends this process when npm or npx, which started it, has ended: npm forwards SIGINT and SIGTERM, but not SIGHUP, and nothing when it is killed.
import { readFileSync } from 'node:fs';

/** Milliseconds between two checks whether npm is still running. */
const CHECK_INTERVAL = 1_000;

/** Whether npm is process 1, as in a container. */
function npmIsFirst() {
  try {
    return /npm|npx|yarn|pnpm/.test(readFileSync('/proc/1/cmdline', 'utf8'));
  } catch {
    return false;
  }
}

if (['start', 'npx'].includes(process.env.npm_lifecycle_event ?? '')) {
  // package.json passes the process id of npm, which may already have ended.
  const parent = Number(process.env.ISTHMUS_NPM) || process.ppid;
  delete process.env.ISTHMUS_NPM;
  const end = () => process.kill(process.pid, 'SIGTERM');
  if (process.ppid !== parent || (parent === 1 && !npmIsFirst())) end();
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    end();
  }, CHECK_INTERVAL);
  timer.unref();
}
