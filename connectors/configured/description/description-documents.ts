/**
 * Reads a description and the documents it refers to, only from the description's folder or origin. GraphQL Mesh receives them as JSON
 * under unreachable addresses, so that no `$ref`, `!include` or script in them can make it read anything else.
 */
import { existsSync, realpathSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, relative, resolve, sep } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { DeclarationError } from '../../kit/errors.ts';
import type { DescriptionText } from './description-source.ts';
import { fetchDocument, type InstallationEndpoint } from './fetch-description.ts';

/** Limits of one description: number of documents, and characters in all of them. */
const MAX_DOCUMENTS = 500;
const MAX_TEXT_LENGTH = 64 * 1024 * 1024;
/** Base of the addresses that GraphQL Mesh sees. */
const VIRTUAL_BASE = 'https://description.invalid';

export interface DescriptionDocuments {
  /** Address of the description in `texts`. */
  readonly root: string;
  /** All documents as JSON, by address. */
  readonly texts: ReadonlyMap<string, string>;
}

type Text = Pick<DescriptionText, 'place' | 'text' | 'type'>;

/**
 * Reads every document that the `$ref`s in the description's text name, and rewrites the references to addresses in `texts`. Rejects with
 * `DeclarationError` if a reference leads outside or to nothing, or there are too many documents.
 */
export async function collectDocuments(
  source: string,
  first: Text,
  endpoints: readonly InstallationEndpoint[],
): Promise<DescriptionDocuments> {
  const addresses = new Map<string, string>();
  const waiting: Text[] = [first];
  const texts = new Map<string, string>();
  let size = 0;
  const addressOf = (place: string): { address: string; isNew: boolean } => {
    const existing = addresses.get(place);
    const address = existing ?? `${VIRTUAL_BASE}/${addresses.size}.json`;
    addresses.set(place, address);
    return { address, isNew: existing === undefined };
  };
  const { address: root } = addressOf(first.place);
  for (let document = waiting.pop(); document; document = waiting.pop()) {
    const { place } = document;
    size += document.text.length;
    if (addresses.size > MAX_DOCUMENTS || size > MAX_TEXT_LENGTH)
      throw new DeclarationError(
        `The description ${source} is too large: at most ${MAX_DOCUMENTS} documents with ${MAX_TEXT_LENGTH} characters. Use a description that is bundled into one file.`,
      );
    const content = parseDocument(source, document);
    const known = idsOf(content);
    for (const holder of referencesIn(content)) {
      const [target = '', ...fragment] = holder.$ref.split('#');
      if (target === '' || known.has(target)) continue;
      const found = locate(source, first.place, place, target);
      const { address, isNew } = addressOf(found);
      holder.$ref = `${address}${fragment.length > 0 ? `#${fragment.join('#')}` : ''}`;
      if (isNew) waiting.push(await loadDocument(source, found, target, endpoints));
    }
    texts.set(addressOf(place).address, JSON.stringify(content));
  }
  return { root, texts };
}

/** Path or URL of a reference. Throws `DeclarationError` if it is outside the description's folder or origin. */
function locate(source: string, root: string, from: string, target: string): string {
  const rejected = (reason: string) =>
    new DeclarationError(
      `The description ${source} refers to ${target.slice(0, 200)}, which ${reason}. Put a copy next to the description and refer to the copy.`,
    );
  if (isRemote(root)) {
    if (!URL.canParse(target, from)) throw rejected('is not a valid URL');
    const address = new URL(target, from);
    if (address.origin !== new URL(root).origin) throw rejected('has another origin');
    address.hash = '';
    return address.href;
  }
  if (/^[a-z][a-z0-9+.-]*:|^[/\\]{2}/i.test(target)) throw rejected("is not in the description's folder");
  const raw = resolve(dirname(from), target);
  const path = existsSync(raw) ? raw : resolve(dirname(from), decodeUri(target));
  const reason = pathProblem(dirname(root), path);
  if (reason) throw rejected(reason);
  return path;
}

export const isRemote = (place: string): boolean => /^https?:\/\//i.test(place);

/** Result of `pathProblem` for a path without a file. */
export const NOT_FOUND = 'does not exist';

/** Why `path` may not be read; null: it exists within the folder, symbolic links resolved. Follows the path in a message. */
export function pathProblem(folder: string, path: string): string | null {
  if (isOutside(resolve(folder), path)) return "is outside the description's folder";
  if (!existsSync(path)) return NOT_FOUND;
  return isOutside(realpathSync(folder), realpathSync(path)) ? "is outside the description's folder" : null;
}

function isOutside(folder: string, path: string): boolean {
  const steps = relative(folder, path);
  return steps === '..' || steps.startsWith(`..${sep}`) || resolve(steps) === steps;
}

function decodeUri(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function loadDocument(
  source: string,
  place: string,
  target: string,
  endpoints: readonly InstallationEndpoint[],
): Promise<Text> {
  try {
    if (!isRemote(place)) return { place, text: await readFile(place, 'utf8'), type: '' };
    const { bytes, type } = await fetchDocument(place, endpoints);
    return { place, text: bytes.toString('utf8'), type };
  } catch (error) {
    throw new DeclarationError(
      `The description ${source} refers to ${target.slice(0, 200)}, which cannot be read.`,
      (error as Error).message,
    );
  }
}

function parseDocument(source: string, { place, text, type }: Text): unknown {
  try {
    return /\.json$/i.test(place) || /json/i.test(type)
      ? JSON.parse(text)
      : parseYaml(text, { merge: true, logLevel: 'error' });
  } catch (error) {
    throw new DeclarationError(
      `The description ${source} cannot be read as OpenAPI.`,
      `${place}: ${(error as Error).message.split('\n')[0]}`,
    );
  }
}

/** All objects and lists within a document, each once. */
function* objectsIn(root: unknown): Generator<Record<string, unknown>> {
  const seen = new Set<object>();
  const waiting: unknown[] = [root];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value !== 'object' || value === null || seen.has(value)) continue;
    seen.add(value);
    yield value as Record<string, unknown>;
    waiting.push(...Object.values(value));
  }
}

const referencesIn = (root: unknown): { $ref: string }[] =>
  [...objectsIn(root)].filter((object): object is { $ref: string } => typeof object['$ref'] === 'string');

/** The `$id`s of the document: references to them stay within it. */
const idsOf = (root: unknown): Set<string> =>
  new Set([...objectsIn(root)].flatMap((object) => (typeof object['$id'] === 'string' ? [object['$id']] : [])));
