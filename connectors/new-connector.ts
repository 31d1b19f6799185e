/** `npm run connector:new -- water`: copies the template, renames it, and adds the connector and its simulator to the lists. */
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const CONNECTORS = import.meta.dirname;

/**
 * Creates the folder of a connector below `folder` and registers it in `index.ts` and `simulator-list.ts` there. Returns the created
 * files. Throws an Error with a message for the user if the name is invalid or in use.
 */
export function newConnector(name: string, folder = CONNECTORS): string[] {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    throw new Error(
      `Invalid connector name ${JSON.stringify(name)}. Use lower-case letters, digits and hyphens, such as: npm run connector:new -- water`,
    );
  }
  const target = join(folder, name);
  if (existsSync(target)) throw new Error(`connectors/${name} already exists. Choose another name.`);
  cpSync(join(folder, 'template'), target, { recursive: true });
  const pascal = name.replace(/(^|-)([a-z0-9])/g, (_, _hyphen, letter: string) => letter.toUpperCase());
  const camel = pascal.charAt(0).toLowerCase() + pascal.slice(1);
  const constant = name.toUpperCase().replaceAll('-', '_');
  const rename = (text: string): string =>
    text
      .replaceAll('TEMPLATE', constant)
      .replaceAll('Template', pascal)
      .replaceAll(/\btemplate(?=[A-Z])/g, camel)
      .replaceAll(/(const|default) template\b/g, `$1 ${camel}`)
      .replaceAll(/(import|connector:) template\b/g, `$1 ${camel}`)
      .replaceAll('template', name);
  const created: string[] = [];
  const walk = (path: string): void => {
    for (const entry of readdirSync(path)) {
      const file = join(path, entry);
      if (statSync(file).isDirectory()) walk(file);
      else {
        if (!file.includes('fixtures')) writeFileSync(file, rename(readFileSync(file, 'utf8')));
        created.push(file);
      }
    }
  };
  walk(target);
  renameSync(join(target, 'template.test.ts'), join(target, `${name}.test.ts`));
  const list = join(folder, 'index.ts');
  const text = readFileSync(list, 'utf8');
  const head = /^(import .*\n)+/m.exec(text)?.[0] ?? '';
  const lines = [...head.trimEnd().split('\n'), `import ${camel} from './${name}/index.ts';`];
  const path = (line: string): string => /'([^']+)'/.exec(line)?.[1] ?? '';
  const sorted = lines.sort((x, y) => (path(x) < path(y) ? -1 : 1)).join('\n');
  edit(list, (text) => text.replace(head, `${sorted}\n`));
  edit(list, (text) => text.replace(/(AnyConnector\[\] = \[[^\]]*?)(,?\s*\];)/, `$1, ${camel}$2`));
  const simulators = join(folder, 'simulator-list.ts');
  if (existsSync(simulators)) {
    const key = name.includes('-') ? `'${name}'` : name;
    edit(simulators, (text) =>
      text.replace(
        /(const SIMULATORS[^\n]* = \{\n(?:[^}]*\n)?)(\};)/,
        `$1  ${key}: () => import('./${name}/simulator.ts'),\n$2`,
      ),
    );
  }
  return created;
}

/** Changes the file; throws if there was nothing to change, so that an unregistered connector is not reported as registered. */
function edit(file: string, change: (text: string) => string): void {
  const before = readFileSync(file, 'utf8');
  const after = change(before);
  if (after === before)
    throw new Error(`Found no list of connectors in ${file}. Register the new connector there by hand.`);
  writeFileSync(file, after);
}

if (process.argv[1] === import.meta.filename) {
  try {
    const name = process.argv[2] ?? '';
    newConnector(name);
    process.stdout.write(
      `Created connectors/${name} and registered it in connectors/index.ts and connectors/simulator-list.ts.\nNext: run npx --no-install vitest run connectors/${name}, follow docs/connectors.md, then run npm run schema.\n`,
    );
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(1);
  }
}
