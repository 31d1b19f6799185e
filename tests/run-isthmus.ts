/** How a test runs the `isthmus` program as a process of its own. */
import { join } from 'node:path';
import { needsBuild } from '../bin/build.js';

const ROOT = join(import.meta.dirname, '..');

/**
 * Arguments for `node` that run `isthmus ARGS...`: the build if it is up to date, otherwise the sources under tsx. The build starts with
 * half of the CPU time.
 */
export const isthmusArgs = (...args: readonly string[]): string[] => [
  ...(needsBuild() ? ['--import', 'tsx', join(ROOT, 'gateway', 'cli.ts')] : [join(ROOT, 'dist', 'gateway', 'cli.js')]),
  ...args,
];
