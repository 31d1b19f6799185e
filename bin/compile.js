// Transpiles the sources into `dist` with esbuild: `node bin/compile.js`. Types are not checked here; `npm run check` does that.
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const FOLDERS = ['gateway', 'connectors', 'schema', 'migrations'];
/** Not part of the program: tests, what only tests import, the template of new connectors, and the explorer's page, which has its own build. */
const LEFT_OUT = [
  /\.test\.ts$/,
  /\.d\.ts$/,
  /^connectors\/kit\/testing\/(conformance\/|test-database\.ts$)/,
  /^connectors\/template\//,
  /^gateway\/explorer\/(page|testing)\//,
  /^gateway\/federation\/testing\//,
];

const entryPoints = FOLDERS.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name).replaceAll('\\', '/')),
).filter((path) => path.endsWith('.ts') && !LEFT_OUT.some((pattern) => pattern.test(path)));

/** Every import stays an import, so each source becomes a file of its own. Relative paths end in `.js` in `dist`. */
const keepImports = {
  name: 'keep-imports',
  setup({ onResolve }) {
    onResolve({ filter: /.*/ }, ({ kind, path }) => {
      if (kind === 'entry-point') return null;
      const isRelative = /^\.{1,2}\//.test(path);
      return { path: isRelative ? path.replace(/\.ts$/, '.js') : path, external: true, sideEffects: true };
    });
  },
};

await build({
  absWorkingDir: root,
  entryPoints,
  outdir: 'dist',
  outbase: '.',
  format: 'esm',
  platform: 'node',
  sourcemap: true,
  sourcesContent: false,
  // Without it esbuild does not rewrite paths.
  bundle: true,
  // Each file stays whole.
  treeShaking: false,
  plugins: [keepImports],
  // The settings of tsconfig.json that change what is written; that file extends a development package.
  tsconfigRaw: {
    compilerOptions: {
      target: 'ES2022',
      experimentalDecorators: true,
      useDefineForClassFields: false,
      verbatimModuleSyntax: true,
    },
  },
  logLevel: 'warning',
});
