/**
 * The style check of `npm run check`: sizes of files and folders, import cycles (of types too), replaced names, replaced words in
 * messages and documents. Prints one line for each fault and ends with code 1 when there is one. The lists are in `rules.ts`.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import ts from 'typescript';
import {
  ANY_NUMBER_OF_FILES,
  DOMAIN_NAMES,
  MAX_FILES,
  MAX_LINES,
  MAX_LOOSE_IN_GATEWAY,
  PRODUCT,
  REPLACED_NAMES,
  REPLACED_PARTS,
  REPLACED_WORDS,
  WORDS_IN_PLACE,
} from './rules.ts';

/** Path from the repository's root to the file's text. */
export type Sources = ReadonlyMap<string, string>;

/** Bundled packages (`*.min.js`) are not written here. */
const isProduct = (path: string): boolean =>
  PRODUCT.includes(path.split('/')[0] as string) && /\.(ts|js)$/.test(path) && !/\.(test|d)\.ts$|\.min\.js$/.test(path);
/** Documents, and the configuration and container files, whose comments people read. */
const isDocument = (path: string): boolean => /\.(md|ya?ml)$|(^|\/)Dockerfile$/.test(path);
const words = (name: string): string[] =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .split(/[-_.]+/);

/** Files of at least MAX_LINES lines, and folders of more files than allowed. */
export function sizeFaults(sources: Sources): string[] {
  const faults: string[] = [];
  const folders = new Map<string, number>();
  for (const [path, text] of sources) {
    if (!isProduct(path)) continue;
    const lines = text.split('\n').length - 1;
    if (lines >= MAX_LINES) faults.push(`${path}: ${lines} lines, fewer than ${MAX_LINES} are allowed`);
    folders.set(dirname(path), (folders.get(dirname(path)) ?? 0) + 1);
  }
  for (const [folder, count] of folders) {
    const limit = folder === 'gateway' ? MAX_LOOSE_IN_GATEWAY : MAX_FILES;
    if (count > limit && !ANY_NUMBER_OF_FILES.includes(folder))
      faults.push(`${folder}/: ${count} source files, ${limit} are allowed`);
  }
  return faults;
}

/** Groups of product files that import each other, directly or through others; imports of types count. */
export function cycleFaults(sources: Sources): string[] {
  const graph = new Map<string, string[]>();
  for (const [path, text] of sources) {
    if (!isProduct(path)) continue;
    const specifiers = ts.preProcessFile(text, true, true).importedFiles.map((file) => file.fileName);
    graph.set(
      path,
      specifiers
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => posix.normalize(posix.join(dirname(path), specifier))),
    );
  }
  return connectedGroups(graph).map((group) => `import cycle: ${group.sort().join(', ')}`);
}

/** Strongly connected components of more than one node (Tarjan). */
function connectedGroups(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const groups: string[][] = [];
  const visit = (node: string): void => {
    index.set(node, index.size);
    low.set(node, index.get(node) as number);
    stack.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!graph.has(next)) continue;
      if (!index.has(next)) {
        visit(next);
        low.set(node, Math.min(low.get(node) as number, low.get(next) as number));
      } else if (stack.includes(next)) low.set(node, Math.min(low.get(node) as number, index.get(next) as number));
    }
    if (low.get(node) !== index.get(node)) return;
    const group = stack.splice(stack.indexOf(node));
    if (group.length > 1) groups.push(group);
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return groups;
}

/** Files and exported symbols that have a replaced name. */
export function nameFaults(sources: Sources): string[] {
  const faults: string[] = [];
  const isAllowed = (path: string, name: string): boolean =>
    DOMAIN_NAMES.some((one) => path.startsWith(one.path) && words(name).includes(one.name));
  const isReplaced = (name: string): boolean =>
    REPLACED_NAMES.includes(words(name).join('-')) || words(name).some((part) => REPLACED_PARTS.includes(part));
  for (const [path, text] of sources) {
    if (!isProduct(path)) continue;
    const file = basename(path).replace(/\.\w+$/, '');
    if (isReplaced(file) && !isAllowed(path, file)) faults.push(`${path}: the file has a replaced name`);
    for (const name of exportedNames(path, text))
      if (isReplaced(name) && !isAllowed(path, name)) faults.push(`${path}: exports the replaced name ${name}`);
  }
  return faults;
}

function exportedNames(path: string, text: string): string[] {
  const names: string[] = [];
  for (const statement of ts.createSourceFile(path, text, ts.ScriptTarget.Latest).statements) {
    if (ts.isExportDeclaration(statement) && statement.exportClause && ts.isNamedExports(statement.exportClause))
      names.push(...statement.exportClause.elements.map((element) => element.name.text));
    const isExported =
      ts.canHaveModifiers(statement) &&
      ts.getModifiers(statement)?.some((one) => one.kind === ts.SyntaxKind.ExportKeyword);
    if (!isExported) continue;
    if (ts.isVariableStatement(statement))
      names.push(
        ...statement.declarationList.declarations.flatMap(({ name }) => (ts.isIdentifier(name) ? [name.text] : [])),
      );
    else if ('name' in statement && statement.name && ts.isIdentifier(statement.name as ts.Node))
      names.push((statement.name as ts.Identifier).text);
  }
  return names;
}

/** Replaced words in the strings and comments of product code, in test titles, and in documents. */
export function wordFaults(sources: Sources): string[] {
  const faults: string[] = [];
  const pattern = new RegExp(`\\b(${Object.keys(REPLACED_WORDS).join('|')})\\b`, 'gi');
  const isAllowed = (path: string, word: string): boolean =>
    WORDS_IN_PLACE.some((one) => path.startsWith(one.path) && (one.word === '*' || one.word === word));
  for (const [path, text] of sources) {
    const texts = isDocument(path) ? [{ text, line: 1 }] : isProduct(path) ? textsOf(path, text) : [];
    for (const part of texts)
      for (const match of part.text.matchAll(pattern)) {
        const word = (match[1] as string).toLowerCase();
        if (isAllowed(path, word)) continue;
        const line = part.line + part.text.slice(0, match.index).split('\n').length - 1;
        faults.push(`${path}:${line}: "${match[1]}" — write ${REPLACED_WORDS[word]}`);
      }
  }
  return faults;
}

/** String literals (as values, not as names of modules) and comments with their lines. */
function textsOf(path: string, text: string): { text: string; line: number }[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line + 1;
  const texts: { text: string; line: number }[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node))
      texts.push({ text: node.text, line: lineOf(node.getStart(source)) });
    ts.forEachChild(node, visit);
  };
  visit(source);
  const seen = new Set<number>();
  const comments = (node: ts.Node): void => {
    for (const range of ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []) {
      if (seen.has(range.pos)) continue;
      seen.add(range.pos);
      texts.push({ text: text.slice(range.pos, range.end), line: lineOf(range.pos) });
    }
    ts.forEachChild(node, comments);
  };
  comments(source);
  return texts;
}

export const allFaults = (sources: Sources): string[] => [
  ...sizeFaults(sources),
  ...cycleFaults(sources),
  ...nameFaults(sources),
  ...wordFaults(sources),
];

/** Every file that git knows or would add. */
export function readSources(root: string): Map<string, string> {
  const list = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const paths = list
    .split('\n')
    .filter((path) => (isProduct(path) || isDocument(path)) && existsSync(join(root, path)));
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

if (process.argv[1] === import.meta.filename) {
  const faults = allFaults(readSources(join(import.meta.dirname, '..', '..')));
  for (const fault of faults) process.stdout.write(`${fault}\n`);
  process.stdout.write(faults.length === 0 ? 'Style: no faults.\n' : `Style: ${faults.length} faults.\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
