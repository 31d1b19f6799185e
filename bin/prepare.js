// Runs before `npm start` and `npm test`: installs missing packages, so that a fresh clone needs no other command.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { printStep } from './progress.js';
import { endOnSignals, run } from './run.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Exits with code 1 and a message if the Node.js version is too old. */
export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(`Isthmus requires Node.js 20.19 or newer, found ${process.versions.node}.`);
  process.exit(1);
}

/** Whether the installed packages match the lock file. */
export function isInstalled() {
  const marker = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(marker)) return false;
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const present = JSON.parse(readFileSync(marker, 'utf8')).packages;
  return Object.entries(lock.packages).every(
    ([path, wanted]) => path === '' || wanted.optional || present[path]?.version === wanted.version,
  );
}

/** Installs the packages; npm then also builds (`prepare` in package.json). */
export async function install() {
  printStep('packages', 'installing dependencies with npm ci; may take minutes on a slow connection');
  await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  checkNode();
  endOnSignals();
  if (!isInstalled()) await install();
}
