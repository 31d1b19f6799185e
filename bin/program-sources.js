// The TypeScript files of the program, which `dist` contains as JavaScript.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const FOLDERS = ['gateway', 'connectors', 'schema', 'migrations'];
/** Not part of the program: tests, what only tests import, the template of new connectors, and the explorer's page, which has its own build. */
const LEFT_OUT = [
  /\.test\.ts$/,
  /\.d\.ts$/,
  /^connectors\/kit\/testing\/(conformance\/|test-(database|installation)\.ts$)/,
  /^connectors\/template\//,
  /^gateway\/explorer\/(page|testing)\//,
  /^gateway\/federation\/testing\//,
];

/** Paths of the files from `root`, with forward slashes. */
export function programSources(root) {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name).replaceAll('\\', '/')),
  ).filter((path) => path.endsWith('.ts') && !LEFT_OUT.some((pattern) => pattern.test(path)));
}
