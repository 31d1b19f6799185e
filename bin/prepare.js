// Installs missing packages, so that a fresh clone needs no other command than `npm start` or `npm test`. Run as a program, before
// `npm test`, it installs all packages; `npm start` installs those for running the hub.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

/** Exists while `npm install` adds the development packages; if it is still there later, they may be incomplete. */
const ADDING = join(root, 'node_modules', '.adding-development-packages');

/** Whether an optional package is for this platform, such as the PostgreSQL and the esbuild that it can run. */
const isForThisPlatform = ({ os, cpu, libc }) =>
  os?.includes(process.platform) && cpu?.includes(process.arch) && libc === undefined;

/**
 * Paths of the packages that the lock file requires here: those for running the hub, `withDevelopment` also those for tests and for
 * bundling libraries. An optional one counts only if it is for this platform.
 */
export function requiredPackages(lock, { withDevelopment }) {
  return Object.entries(lock.packages)
    .filter(([path, entry]) => path !== '' && (withDevelopment || !(entry.dev || entry.devOptional)))
    .filter(([, entry]) => !(entry.optional || entry.devOptional) || (!entry.dev && isForThisPlatform(entry)))
    .map(([path]) => path);
}

const readLock = () => JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));

/** Whether the installed packages match the lock file, by npm's record of the last complete installation and their folders. */
export function isInstalled({ withDevelopment }) {
  const record = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(record) || (withDevelopment && existsSync(ADDING))) return false;
  const lock = readLock();
  const present = JSON.parse(readFileSync(record, 'utf8')).packages;
  return requiredPackages(lock, { withDevelopment }).every(
    (path) => present[path]?.version === lock.packages[path].version && existsSync(join(root, path, 'package.json')),
  );
}

/**
 * Installs the packages for running the hub, `withDevelopment` all. Development packages are added to an installation that is
 * otherwise complete, since a hub may be running from it. Install scripts are not run; the caller builds.
 */
export async function install({ withDevelopment }) {
  const isAddition = withDevelopment && !existsSync(ADDING) && isInstalled({ withDevelopment: false });
  const count = requiredPackages(readLock(), { withDevelopment }).length;
  const what = isAddition ? 'adding development packages' : `installing ${count}`;
  const command = isAddition ? ['install', '--no-save'] : ['ci'];
  printStep('packages', `${what} with npm ${command.join(' ')}; may take minutes on a slow connection`);
  const startedAt = performance.now();
  if (isAddition) writeFileSync(ADDING, '');
  const scope = withDevelopment ? '--include=dev' : '--omit=dev';
  const options = [scope, '--include=optional', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await run('npm', [...command, ...options], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  rmSync(ADDING, { force: true });
  printStep('packages', `done in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  checkNode();
  endOnSignals();
  if (!isInstalled({ withDevelopment: true })) await install({ withDevelopment: true });
}
