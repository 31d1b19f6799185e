// Builds `dist` when a source is newer than it: tsc, then the explorer's page.
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { printStep } from './progress.js';
import { endOnSignals, run } from './run.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
/** Written last: without it the folder is not whole, and bin/isthmus.js does not use it. */
const stamp = join(dist, '.built');
const ROOMS = ['gateway', 'connectors', 'schema', 'migrations', 'bin'];
/** Plain JavaScript that the sources import. */
const PLAIN = ['port.js', 'progress.js'];

/** Newest change below a folder. */
function newest(folder) {
  let time = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    time = Math.max(time, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return time;
}

/** Whether there is something to build from, and something to build. */
export function needsBuild() {
  // An image that ships `dist` alone has nothing to build from.
  if (!existsSync(join(root, 'tsconfig.json')) || !existsSync(join(root, 'node_modules', 'typescript'))) return false;
  if (!existsSync(stamp)) return true;
  const changed = Math.max(
    ...ROOMS.map((room) => newest(join(root, room))),
    statSync(join(root, 'tsconfig.json')).mtimeMs,
  );
  return statSync(stamp).mtimeMs < changed;
}

/** Builds; a build that is interrupted is done anew the next time. */
export async function build() {
  const node = (script, ...args) =>
    run(process.execPath, [join(root, script), ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const began = Date.now();
  rmSync(stamp, { force: true });
  rmSync(dist, { recursive: true, force: true });
  await node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json');
  mkdirSync(join(dist, 'bin'), { recursive: true });
  for (const file of PLAIN) copyFileSync(join(root, 'bin', file), join(dist, 'bin', file));
  if (existsSync(join(root, 'gateway', 'explorer', 'build.js'))) await node('gateway/explorer/build.js');
  writeFileSync(stamp, '');
  printStep('build', `done in ${Math.round((Date.now() - began) / 1000)} s`);
}

if (process.argv[1] === fileURLToPath(import.meta.url) && needsBuild()) {
  endOnSignals();
  printStep('build', 'compiling the sources into dist, up to a minute');
  await build();
}
