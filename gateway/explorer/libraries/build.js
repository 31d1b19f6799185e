// Bundles the packages that the explorer's page uses into libraries.min.js and .css: `node gateway/explorer/libraries/build.js [folder]`.
// The result is committed, so that building the page needs esbuild only and not 100 MB of development packages. Run it after an
// upgrade of one of the packages or a change of index.js; explorer.test.ts fails while the committed files differ from its result.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const target = resolve(process.argv[2] ?? here);
/** Removed, with the 350 KB of fonts in it: the page uses system fonts. */
const FONT_FACE = /@font-face\s*\{[^}]*\}/g;

const { outputFiles } = await build({
  entryPoints: [join(here, 'index.js')],
  outdir: target,
  write: false,
  entryNames: 'libraries.min',
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['es2022'],
  legalComments: 'linked',
  define: { 'process.env.NODE_ENV': '"production"' },
  // One copy of graphql: schema objects of another copy are not recognised.
  alias: { graphql: fileURLToPath(import.meta.resolve('graphql/index.mjs')) },
});

mkdirSync(target, { recursive: true });
for (const { path, text } of outputFiles)
  writeFileSync(path, path.endsWith('.css') ? text.replace(FONT_FACE, '') : text);
