// Bundles the explorer's page into static files that load nothing from other origins: `node gateway/explorer/build.js [folder]`.
// Called by the build. Packages come from libraries/libraries.min.js, which is committed; no development package is needed.
// Removes every external URL from the bundle; explorer.test.ts checks the result.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const target = resolve(process.argv[2] ?? join(here, '..', '..', 'dist', 'gateway', 'explorer'));
const page = join(target, 'page');

const libraries = join(here, 'libraries', 'libraries.min.js');
const librariesStyle = join(here, 'libraries', 'libraries.min.css');

/** Namespace names of XML and the DOM, which are not fetched. */
const NAMESPACES =
  /^http:\/\/www\.w3\.org\/(1998\/Math\/MathML|1999\/xhtml|1999\/xlink|2000\/svg|XML\/1998\/namespace)$/;
const ADDRESS = /(?:https?|wss?):\/\/[a-z0-9][^\s"'`<>()\\{}|]*/gi;
const DATA_ADDRESS = /url\((["']?)data:([a-z]+\/[a-z0-9+.-]+)[^,)]*?(;base64)?,([^"')]*)\1\)/gi;
const EXTENSIONS = { 'image/svg+xml': 'svg', 'image/png': 'png' };

/** Order of the first tabs; the other operations follow by name. */
const FIRST = ['Companies', 'Company360', 'ParkNow', 'Sources', 'History', 'Live'];
const folder = join(here, 'operations');
const position = (name) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
const operations = readdirSync(folder)
  .filter((file) => file.endsWith('.graphql'))
  .map((file) => basename(file, '.graphql'))
  .sort((a, b) => position(a) - position(b) || (a < b ? -1 : 1))
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
  // A name that the libraries do not export is an error, not an undefined value in the browser.
  logOverride: { 'import-is-undefined': 'error' },
  bundle: true,
  minify: true,
  write: false,
  format: 'esm',
  target: ['es2022'],
  // Its own, since tsconfig.json extends a development package.
  tsconfigRaw: { compilerOptions: { target: 'ES2022', verbatimModuleSyntax: true } },
  // Among them is the reference to the libraries' licences, which are copied below.
  legalComments: 'eof',
  plugins: [
    {
      name: 'page',
      setup({ onResolve, onLoad }) {
        onResolve({ filter: /^operations$/ }, () => ({ path: 'operations', namespace: 'operations' }));
        onResolve({ filter: /^[^./]/ }, ({ kind, path }) =>
          kind === 'import-statement' ? { path: path.endsWith('.css') ? librariesStyle : libraries } : null,
        );
        onLoad({ filter: /.*/, namespace: 'operations' }, () => ({
          contents: JSON.stringify(operations),
          loader: 'json',
        }));
      },
    },
  ],
});

mkdirSync(page, { recursive: true });
/** Moves data URLs in style sheets into files, which a policy of 'self' allows. */
const extractData = (css) =>
  css.replace(DATA_ADDRESS, (_, __, type, base64, data) => {
    const bytes = base64 ? Buffer.from(data, 'base64') : Buffer.from(decodeURIComponent(data));
    const extension = EXTENSIONS[type];
    if (!extension)
      throw new Error(`The style sheet contains data of type ${type}; add its file extension to build.js.`);
    const name = `${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}.${extension}`;
    writeFileSync(join(page, name), bytes);
    return `url(${name})`;
  });
/** Removes URLs from messages and descriptions; namespaces are kept. */
const removeUrls = (text) => text.replace(ADDRESS, (address) => (NAMESPACES.test(address) ? address : ''));

for (const { path, text } of outputFiles) {
  writeFileSync(path, removeUrls(path.endsWith('.css') ? extractData(text) : text));
}
// It is not served.
cpSync(`${libraries}.LEGAL.txt`, join(page, basename(`${libraries}.LEGAL.txt`)));
writeFileSync(join(page, 'index.html'), readFileSync(join(here, 'page', 'page.html')));
writeFileSync(join(page, 'icon.svg'), readFileSync(join(here, 'page', 'icon.svg')));
if (resolve(folder) !== join(target, 'operations')) cpSync(folder, join(target, 'operations'), { recursive: true });
