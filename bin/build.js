// Builds `dist` with tsc and bundles the explorer's page, if a source file is newer than the last build.
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { printStep } from './progress.js';
import { endOnSignals, run } from './run.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
/** Written last. Without it the build is incomplete, and bin/isthmus.js does not use it. */
const stamp = join(dist, '.built');
const SOURCE_FOLDERS = ['gateway', 'connectors', 'schema', 'migrations', 'bin'];
/** JavaScript files that the sources import. */
const JAVASCRIPT_FILES = ['port.js', 'progress.js'];

/** Time of the newest change below a folder, in milliseconds. */
function newest(folder) {
  let time = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    time = Math.max(time, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return time;
}

/** Whether the sources are present and newer than the build. */
export function needsBuild() {
  // A container image contains only `dist`.
  if (!existsSync(join(root, 'tsconfig.json')) || !existsSync(join(root, 'node_modules', 'typescript'))) return false;
  if (!existsSync(stamp)) return true;
  const changed = Math.max(
    ...SOURCE_FOLDERS.map((folder) => newest(join(root, folder))),
    statSync(join(root, 'tsconfig.json')).mtimeMs,
  );
  return statSync(stamp).mtimeMs < changed;
}

/** Builds from scratch. An interrupted build leaves no stamp, so that the next call builds again. */
export async function build() {
  const node = (script, ...args) =>
    run(process.execPath, [join(root, script), ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const startedAt = Date.now();
  rmSync(stamp, { force: true });
  rmSync(dist, { recursive: true, force: true });
  await node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json');
  mkdirSync(join(dist, 'bin'), { recursive: true });
  for (const file of JAVASCRIPT_FILES) copyFileSync(join(root, 'bin', file), join(dist, 'bin', file));
  if (existsSync(join(root, 'gateway', 'explorer', 'build.js'))) await node('gateway/explorer/build.js');
  writeFileSync(stamp, '');
  printStep('build', `done in ${Math.round((Date.now() - startedAt) / 1000)} s`);
}

if (process.argv[1] === fileURLToPath(import.meta.url) && needsBuild()) {
  endOnSignals();
  printStep('build', 'compiling the sources into dist, up to a minute');
  await build();
}
