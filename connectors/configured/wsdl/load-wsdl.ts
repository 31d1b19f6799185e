/** Loads a WSDL description and its imports: from its folder, or from its origin. Nothing else is downloaded. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DeclarationError } from '../../kit/errors.ts';
import { decodeXml } from '../../kit/protocols/soap.ts';
import { isRemote, NOT_FOUND, pathProblem } from '../description/description-documents.ts';
import { fetchDocument, type InstallationEndpoint } from '../description/fetch-description.ts';
import { type DocumentLoader, readWsdl, type Wsdl } from './wsdl-document.ts';

/** Reads the description `source`, a file in `folder` or a URL, with the headers of the endpoint at that origin. Rejects with `DeclarationError`. */
export async function loadWsdl(
  source: string,
  folder: string,
  endpoints: readonly InstallationEndpoint[],
): Promise<Wsdl> {
  const origin = isRemote(source) ? new URL(source).origin : null;
  const home = dirname(resolve(folder, source));
  const rejected = (place: string, reason: string) =>
    new DeclarationError(
      `The description ${source} imports ${place.slice(0, 200)}, which ${reason}. Put a copy next to the description and import the copy.`,
    );
  const load: DocumentLoader = async (place, from) => {
    if (origin !== null) {
      const url = from === '' ? new URL(place) : new URL(place, from);
      return url.origin === origin ? { text: await fetchText(url.href, source, endpoints), place: url.href } : null;
    }
    if (isRemote(place)) return null;
    if (from !== '' && /^[a-z][a-z0-9+.-]*:|^[/\\]{2}/i.test(place))
      throw rejected(place, "is not in the description's folder");
    const path = resolve(from === '' ? folder : dirname(from), place);
    if (from === '' && !existsSync(path))
      throw new DeclarationError(`The description ${source} does not exist next to isthmus.yaml.`);
    const problem = from === '' ? null : pathProblem(home, path);
    if (problem === NOT_FOUND)
      throw new DeclarationError(`The description ${source} imports ${place}, which does not exist.`);
    if (problem) throw rejected(place, problem);
    return { text: decodeXml(await readFile(path)), place: path };
  };
  try {
    return await readWsdl(source, load);
  } catch (error) {
    if (error instanceof DeclarationError) throw error;
    throw new DeclarationError(`The description ${source} cannot be read as WSDL.`, (error as Error).message);
  }
}

async function fetchText(url: string, source: string, endpoints: readonly InstallationEndpoint[]): Promise<string> {
  try {
    const { bytes, type } = await fetchDocument(url, endpoints);
    return decodeXml(bytes, type);
  } catch (error) {
    throw new DeclarationError(`The description ${source} cannot be fetched.`, `${url}: ${(error as Error).message}`);
  }
}
