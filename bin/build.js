// Builds `dist` with esbuild (compile.js) and bundles the explorer's page, if a source file is newer than the last build. Types are not checked.
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
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

/** The newest source file below a folder, with its time in milliseconds. Tests are not built. */
function newestFile(folder) {
  let newest = { path: folder, time: 0 };
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name.endsWith('.test.ts')) continue;
    const path = join(folder, entry.name);
    const found = entry.isDirectory() ? newestFile(path) : { path, time: statSync(path).mtimeMs };
    if (found.time > newest.time) newest = found;
  }
  return newest;
}

const exists = (path) => existsSync(join(root, path));
/** Whether the sources are here. A container image contains only `dist`. */
const hasSources = () => SOURCE_FOLDERS.every(exists);
const hasCompiler = () => exists(join('node_modules', 'esbuild'));
/** Whether the sources and the compiler are here. */
const canBuild = () => hasSources() && hasCompiler();

/** Path of the newest source file below the program's folder, if it is newer than the complete build; otherwise null. */
export function sourceNewerThanBuild() {
  if (!canBuild() || !existsSync(stamp)) return null;
  const newest = SOURCE_FOLDERS.map((folder) => newestFile(join(root, folder))).reduce((one, other) =>
    other.time > one.time ? other : one,
  );
  return statSync(stamp).mtimeMs < newest.time ? relative(root, newest.path) : null;
}

/** Whether the sources are present and newer than the build. */
export const needsBuild = () => canBuild() && (!existsSync(stamp) || sourceNewerThanBuild() !== null);

/** Builds from scratch. An interrupted build leaves no stamp, so that the next call builds again. */
export async function build() {
  const node = (script, ...args) =>
    run(process.execPath, [join(root, script), ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const startedAt = Date.now();
  rmSync(stamp, { force: true });
  rmSync(dist, { recursive: true, force: true });
  printStep('build', 'compiling the sources into dist');
  const page = join('gateway', 'explorer', 'build.js');
  await Promise.all([node(join('bin', 'compile.js')), ...(exists(page) ? [node(page)] : [])]);
  mkdirSync(join(dist, 'bin'), { recursive: true });
  for (const file of JAVASCRIPT_FILES) copyFileSync(join(root, 'bin', file), join(dist, 'bin', file));
  writeFileSync(stamp, '');
  printStep('build', `done in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (hasSources() && !hasCompiler()) {
    console.error('Cannot build dist: the package esbuild is not installed. Run: npm ci');
    process.exit(1);
  }
  if (needsBuild()) {
    endOnSignals();
    await build();
  }
}
