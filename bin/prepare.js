// Before `npm start` and `npm test`: installs what is missing, so that a fresh clone needs nothing but these two commands.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { printStep } from './progress.js';
import { endOnSignals, run } from './run.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Ends this process with a sentence when its Node is too old. */
export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(`Isthmus needs Node 20.19 or newer, found ${process.versions.node}.`);
  process.exit(1);
}

/** Whether what is installed is what the lock file asks for. */
export function installed() {
  const marker = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(marker)) return false;
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const there = JSON.parse(readFileSync(marker, 'utf8')).packages;
  return Object.entries(lock.packages).every(
    ([path, wanted]) => path === '' || wanted.optional || there[path]?.version === wanted.version,
  );
}

/** Installs; npm also builds then (`prepare` in package.json). */
export async function install() {
  printStep('packages', 'installing what Isthmus needs with npm ci, once; some minutes on a slow line');
  await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  checkNode();
  endOnSignals();
  if (!installed()) await install();
}
