/** Where a description and what it imports are read from: files beside it, or the address that it came from. Nothing else is downloaded. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DeclarationError } from '../../kit/connector.ts';
import { decodeXml } from '../../kit/protocols/soap.ts';
import { isRemote, MISSING, outsideOf } from '../description/description-documents.ts';
import { type Caller, fetchAt } from '../description/fetch-description.ts';
import { type Load, readWsdl, type Wsdl } from './wsdl-document.ts';

/** Reads the description `source`, a file beside `folder` or an address that is asked as the callers are; rejects with `DeclarationError`. */
export async function loadWsdl(source: string, folder: string, callers: readonly Caller[]): Promise<Wsdl> {
  const origin = isRemote(source) ? new URL(source).origin : null;
  const home = dirname(resolve(folder, source));
  const refused = (place: string, why: string) =>
    new DeclarationError(
      `The description ${source} imports ${place.slice(0, 200)}, which ${why} and is not read; put a copy beside the description and import it from there.`,
    );
  const load: Load = async (place, from) => {
    if (origin !== null) {
      const url = from === '' ? new URL(place) : new URL(place, from);
      return url.origin === origin ? { text: await fetched(url.href, source, callers), place: url.href } : null;
    }
    if (isRemote(place)) return null;
    if (from !== '' && /^[a-z][a-z0-9+.-]*:|^[/\\]{2}/i.test(place)) throw refused(place, 'stands elsewhere');
    const path = resolve(from === '' ? folder : dirname(from), place);
    if (from === '' && !existsSync(path))
      throw new DeclarationError(`The description ${source} is no file beside isthmus.yaml.`);
    const outside = from === '' ? null : outsideOf(home, path);
    if (outside === MISSING)
      throw new DeclarationError(`The description ${source} imports ${place}, which is not beside it.`);
    if (outside) throw refused(place, outside);
    return { text: decodeXml(await readFile(path)), place: path };
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
    const { bytes, type } = await fetchAt(url, callers);
    return decodeXml(bytes, type);
  } catch (error) {
    throw new DeclarationError(`The description ${source} cannot be fetched.`, `${url}: ${(error as Error).message}`);
  }
}
