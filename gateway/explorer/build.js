// Bundles the explorer's page into static files that ask nobody else: `node gateway/explorer/build.js [folder]`.
// Called by the build after tsc. Every foreign address in the bundle is taken out; what is left is checked by explorer.test.ts.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const room = resolve(process.argv[2] ?? join(here, '..', '..', 'dist', 'gateway', 'explorer'));
const page = join(room, 'page');

/** Names that XML and the DOM use as namespaces; nobody fetches them. */
const NAMESPACES =
  /^http:\/\/www\.w3\.org\/(1998\/Math\/MathML|1999\/xhtml|1999\/xlink|2000\/svg|XML\/1998\/namespace)$/;
const ADDRESS = /(?:https?|wss?):\/\/[a-z0-9][^\s"'`<>()\\{}|]*/gi;
const DATA_ADDRESS = /url\((["']?)data:([a-z]+\/[a-z0-9+.-]+)[^,)]*?(;base64)?,([^"')]*)\1\)/gi;
const ENDINGS = { 'image/svg+xml': 'svg', 'image/png': 'png' };
/** The page uses the reader's own fonts. */
const FONT_FACE = /@font-face\s*\{[^}]*\}/g;

/** The reference operations first and in the order in which one meets them, then the rest by name. */
const FIRST = ['Companies', 'Company360', 'ParkNow', 'Sources', 'History', 'Live'];
const folder = join(here, 'operations');
const place = (name) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
const operations = readdirSync(folder)
  .filter((file) => file.endsWith('.graphql'))
  .map((file) => basename(file, '.graphql'))
  .sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1))
  .map((name) => {
    const variables = join(folder, `${name}.json`);
    return {
      name,
      query: readFileSync(join(folder, `${name}.graphql`), 'utf8'),
      variables: existsSync(variables) ? JSON.parse(readFileSync(variables, 'utf8')) : null,
    };
  });

const { outputFiles } = await build({
  entryPoints: [join(here, 'page', 'main.js')],
  outdir: page,
  entryNames: 'explorer',
  bundle: true,
  minify: true,
  write: false,
  format: 'esm',
  target: ['es2022'],
  legalComments: 'linked',
  define: { 'process.env.NODE_ENV': '"production"' },
  // Two ways into graphql would be two realms: schema objects of the one are strangers to the other.
  alias: { graphql: fileURLToPath(import.meta.resolve('graphql/index.mjs')) },
  plugins: [
    {
      name: 'operations',
      setup({ onResolve, onLoad }) {
        onResolve({ filter: /^operations$/ }, () => ({ path: 'operations', namespace: 'operations' }));
        onLoad({ filter: /.*/, namespace: 'operations' }, () => ({
          contents: JSON.stringify(operations),
          loader: 'json',
        }));
      },
    },
  ],
});

mkdirSync(page, { recursive: true });
/** Data in style sheets becomes files, so that a policy of nothing but 'self' lets it through. */
const filed = (css) =>
  css.replace(FONT_FACE, '').replace(DATA_ADDRESS, (_, __, type, base64, data) => {
    const bytes = base64 ? Buffer.from(data, 'base64') : Buffer.from(decodeURIComponent(data));
    const ending = ENDINGS[type];
    if (!ending) throw new Error(`The style sheet holds ${type}, of which build.js knows no file ending.`);
    const name = `${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}.${ending}`;
    writeFileSync(join(page, name), bytes);
    return `url(${name})`;
  });
/** Links in messages and descriptions lose their address; namespaces stay. */
const closed = (text) => text.replace(ADDRESS, (address) => (NAMESPACES.test(address) ? address : ''));

for (const { path, text } of outputFiles) {
  // Licences (`*.LEGAL.txt`) are kept as they are; they are not served.
  writeFileSync(path, path.endsWith('.txt') ? text : closed(path.endsWith('.css') ? filed(text) : text));
}
writeFileSync(join(page, 'index.html'), readFileSync(join(here, 'page', 'page.html')));
writeFileSync(join(page, 'icon.svg'), readFileSync(join(here, 'page', 'icon.svg')));
if (resolve(folder) !== join(room, 'operations')) cpSync(folder, join(room, 'operations'), { recursive: true });
