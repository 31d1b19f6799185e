#!/usr/bin/env node
// The `isthmus` command: the build where there is one, the sources under tsx where there is not.
import './parent.js';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// graphql-js looks for a second copy of itself at every question about a type otherwise: a third of a cold query's time.
process.env.NODE_ENV ??= 'production';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const built = join(root, 'dist', 'gateway', 'cli.js');
// A build that was interrupted is not whole.
if (existsSync(join(root, 'dist', '.built'))) await import(built);
else {
  // tsx looks for it in the current folder, here and in processes that are started from here.
  process.env.TSX_TSCONFIG_PATH ??= join(root, 'tsconfig.json');
  const { register } = await import('tsx/esm/api');
  register();
  await import(join(root, 'gateway', 'cli.ts'));
}
