/** Where a description and what it imports are read from: files beside it, or the address that it came from. Nothing else is downloaded. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DeclarationError } from '../../kit/connector.ts';
import { decodeXml } from '../../kit/soap.ts';
import { type Caller, fetchAt } from '../address.ts';
import { type Load, readWsdl, type Wsdl } from './document.ts';

const remote = (place: string): boolean => /^https?:\/\//.test(place);

/** Reads the description `source`, a file beside `folder` or an address that is asked as the callers are; rejects with `DeclarationError`. */
export async function loadWsdl(source: string, folder: string, callers: readonly Caller[]): Promise<Wsdl> {
  const origin = remote(source) ? new URL(source).origin : null;
  const load: Load = async (place, from) => {
    if (origin !== null) {
      const url = from === '' ? new URL(place) : new URL(place, from);
      return url.origin === origin ? { text: await fetched(url.href, source, callers), place: url.href } : null;
    }
    if (remote(place)) return null;
    const path = resolve(from === '' ? folder : dirname(from), place);
    if (existsSync(path)) return { text: decodeXml(await readFile(path)), place: path };
    if (from === '') throw new DeclarationError(`The description ${source} is no file beside isthmus.yaml.`);
    throw new DeclarationError(`The description ${source} imports ${place}, which is not beside it.`);
  };
  try {
    return await readWsdl(source, load);
  } catch (error) {
    if (error instanceof DeclarationError) throw error;
    throw new DeclarationError(`The description ${source} cannot be read as WSDL.`, (error as Error).message);
  }
}

async function fetched(url: string, source: string, callers: readonly Caller[]): Promise<string> {
  try {
    const answer = await fetchAt(url, callers);
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    return decodeXml(Buffer.from(await answer.arrayBuffer()), answer.headers.get('content-type') ?? '');
  } catch (error) {
    throw new DeclarationError(`The description ${source} cannot be fetched.`, `${url}: ${(error as Error).message}`);
  }
}
