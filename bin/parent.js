// npm hands SIGINT and SIGTERM on, but not SIGHUP, and nothing when it is killed: what `npm start` or `npx` began ends with it.
import { readFileSync } from 'node:fs';

/** How often it is looked whether npm still runs, in milliseconds. */
const LOOK = 1_000;

/** Whether the first process of the system is npm itself, as in a container. */
function npmIsFirst() {
  try {
    return /npm|npx|yarn|pnpm/.test(readFileSync('/proc/1/cmdline', 'utf8'));
  } catch {
    return false;
  }
}

if (['start', 'npx'].includes(process.env.npm_lifecycle_event ?? '')) {
  // The script in package.json tells npm's number: it may have ended before this line.
  const parent = Number(process.env.ISTHMUS_NPM) || process.ppid;
  delete process.env.ISTHMUS_NPM;
  const end = () => process.kill(process.pid, 'SIGTERM');
  if (process.ppid !== parent || (parent === 1 && !npmIsFirst())) end();
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    end();
  }, LOOK);
  timer.unref();
}
