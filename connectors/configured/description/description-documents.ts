/**
 * A description and the documents that it refers to, all read here: from the description's own folder, or its own origin, and nowhere else.
 * GraphQL Mesh gets them as JSON under addresses that nobody can reach, so that no `$ref`, `!include` or script in them makes it read anything.
 */
import { existsSync, realpathSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, relative, resolve, sep } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { DeclarationError } from '../../kit/connector.ts';
import type { DescriptionText } from './description-source.ts';
import { type Caller, fetchAt } from './fetch-description.ts';

/** Documents of one description, and their characters together. */
const MOST_DOCUMENTS = 500;
const MOST_TEXT = 64 * 1024 * 1024;
const VIRTUAL = 'https://description.invalid';

export interface Documents {
  /** The address of the description itself. */
  readonly root: string;
  /** JSON by address; there is nothing else to be read. */
  readonly texts: ReadonlyMap<string, string>;
}

type Text = Pick<DescriptionText, 'place' | 'text' | 'type'>;

/**
 * Reads the description's text and every document that its `$ref`s name, references rewritten to the addresses in `texts`. Rejects with
 * `DeclarationError` naming a reference that leads elsewhere, to nothing, or without an end.
 */
export async function documentsOf(source: string, first: Text, callers: readonly Caller[]): Promise<Documents> {
  const addresses = new Map<string, string>();
  const waiting: Text[] = [first];
  const texts = new Map<string, string>();
  let size = 0;
  const addressOf = (place: string): { address: string; isNew: boolean } => {
    const known = addresses.get(place);
    const address = known ?? `${VIRTUAL}/${addresses.size}.json`;
    addresses.set(place, address);
    return { address, isNew: known === undefined };
  };
  const { address: root } = addressOf(first.place);
  for (let one = waiting.pop(); one; one = waiting.pop()) {
    const { place } = one;
    size += one.text.length;
    if (addresses.size > MOST_DOCUMENTS || size > MOST_TEXT)
      throw new DeclarationError(
        `The description ${source} refers to more than ${MOST_DOCUMENTS} documents or ${MOST_TEXT} characters; name one that is bundled into one file.`,
      );
    const content = parsed(source, one);
    const known = idsOf(content);
    for (const holder of referencesIn(content)) {
      const [target = '', ...fragment] = holder.$ref.split('#');
      if (target === '' || known.has(target)) continue;
      const found = locate(source, first.place, place, target);
      const { address, isNew } = addressOf(found);
      holder.$ref = `${address}${fragment.length > 0 ? `#${fragment.join('#')}` : ''}`;
      if (isNew) waiting.push(await load(source, found, target, callers));
    }
    texts.set(addressOf(place).address, JSON.stringify(content));
  }
  return { root, texts };
}

/** Where a reference leads; throws `DeclarationError` where that is not beside the description. */
function locate(source: string, root: string, from: string, target: string): string {
  const refused = (why: string) =>
    new DeclarationError(
      `The description ${source} refers to ${target.slice(0, 200)}, which ${why} and is not read; put a copy beside the description and refer to it there.`,
    );
  if (isRemote(root)) {
    if (!URL.canParse(target, from)) throw refused('is no address');
    const address = new URL(target, from);
    if (address.origin !== new URL(root).origin) throw refused('stands at another origin');
    address.hash = '';
    return address.href;
  }
  if (/^[a-z][a-z0-9+.-]*:|^[/\\]{2}/i.test(target)) throw refused('stands elsewhere');
  const raw = resolve(dirname(from), target);
  const path = existsSync(raw) ? raw : resolve(dirname(from), decoded(target));
  const reason = outsideOf(dirname(root), path);
  if (reason) throw refused(reason);
  return path;
}

export const isRemote = (place: string): boolean => /^https?:\/\//i.test(place);

/** What `outsideOf` says of a path at which no file stands. */
export const MISSING = 'is not there';

/** Why a path is not taken from a folder; null: it is a file within it, links followed. */
export function outsideOf(folder: string, path: string): string | null {
  if (isOutside(resolve(folder), path)) return "lies outside the description's folder";
  if (!existsSync(path)) return MISSING;
  return isOutside(realpathSync(folder), realpathSync(path)) ? "lies outside the description's folder" : null;
}

function isOutside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '..' || way.startsWith(`..${sep}`) || resolve(way) === way;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function load(source: string, place: string, target: string, callers: readonly Caller[]): Promise<Text> {
  try {
    if (!isRemote(place)) return { place, text: await readFile(place, 'utf8'), type: '' };
    const { bytes, type } = await fetchAt(place, callers);
    return { place, text: bytes.toString('utf8'), type };
  } catch (error) {
    throw new DeclarationError(
      `The description ${source} refers to ${target.slice(0, 200)}, which cannot be read.`,
      (error as Error).message,
    );
  }
}

function parsed(source: string, { place, text, type }: Text): unknown {
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

/** All objects within a document, each once. */
function* objectsIn(root: unknown): Generator<Record<string, unknown>> {
  const seen = new Set<object>();
  const waiting: unknown[] = [root];
  while (waiting.length > 0) {
    const one = waiting.pop();
    if (typeof one !== 'object' || one === null || seen.has(one)) continue;
    seen.add(one);
    yield one as Record<string, unknown>;
    waiting.push(...Object.values(one));
  }
}

const referencesIn = (root: unknown): { $ref: string }[] =>
  [...objectsIn(root)].filter((one): one is { $ref: string } => typeof one['$ref'] === 'string');

/** Names that the document gives its own parts: a reference to one of them leads nowhere else. */
const idsOf = (root: unknown): Set<string> =>
  new Set([...objectsIn(root)].flatMap((one) => (typeof one['$id'] === 'string' ? [one['$id']] : [])));
