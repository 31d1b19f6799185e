// Before `npm start` and `npm test`: installs what is missing, so that a fresh clone needs nothing but these two commands.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Isthmus needs Node 20.19 or newer, found ${process.versions.node}.`);
  process.exit(1);
}

const marker = join(root, 'node_modules', '.package-lock.json');
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
/** Whether what is installed is what the lock file asks for. */
function installed() {
  if (!existsSync(marker)) return false;
  const there = JSON.parse(readFileSync(marker, 'utf8')).packages;
  return Object.entries(lock.packages).every(
    ([path, wanted]) => path === '' || wanted.optional || there[path]?.version === wanted.version,
  );
}

const quiet = { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], shell: process.platform === 'win32' };
if (!installed()) {
  console.log('Installing what Isthmus needs (once).');
  const done = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], quiet);
  if (done.status !== 0) process.exit(done.status ?? 1);
} else if (process.env.npm_lifecycle_event === 'prestart') {
  const done = spawnSync(process.execPath, [join(root, 'bin', 'build.js')], quiet);
  if (done.status !== 0) process.exit(done.status ?? 1);
}
