// Transpiles the sources into `dist` with esbuild: `node bin/compile.js`. Types are not checked here; `npm run check` does that.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { programSources } from './program-sources.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
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
  entryPoints: programSources(root),
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
