// Builds `dist` when a source is newer than it: tsc, then the explorer's page.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const stamp = join(root, 'dist', '.built');
const ROOMS = ['gateway', 'connectors', 'schema', 'migrations'];

/** Newest change below a folder. */
function newest(folder) {
  let time = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    time = Math.max(time, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return time;
}

// An image that ships `dist` alone has nothing to build from.
if (!existsSync(join(root, 'tsconfig.json')) || !existsSync(join(root, 'node_modules', 'typescript'))) process.exit(0);
const changed = Math.max(
  ...ROOMS.map((room) => newest(join(root, room))),
  statSync(join(root, 'tsconfig.json')).mtimeMs,
);
if (existsSync(stamp) && statSync(stamp).mtimeMs >= changed) process.exit(0);

const run = (script, ...args) => {
  const done = spawnSync(process.execPath, [join(root, script), ...args], { cwd: root, stdio: 'inherit' });
  if (done.status !== 0) process.exit(done.status ?? 1);
};
rmSync(join(root, 'dist'), { recursive: true, force: true });
run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json');
if (existsSync(join(root, 'gateway', 'explorer', 'build.js'))) run('gateway/explorer/build.js');
writeFileSync(stamp, '');
