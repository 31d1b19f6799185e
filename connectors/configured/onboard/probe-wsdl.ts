import { relative, resolve } from 'node:path';
import { DeclarationError } from '../../kit/connector.ts';
import { typedEntity } from '../core/connector-family.ts';
import { draftWsdl } from '../draft/draft-wsdl.ts';
import { wsdlReader } from '../wsdl/index.ts';
import { loadWsdl } from '../wsdl/load-wsdl.ts';
import { headersOf, OnboardError, type OnboardOptions, type Place, type Probe } from './probe.ts';
import { sample } from './sample-query.ts';

/** Times without an offset are taken for Beijing's until the file says otherwise. */
const ZONE = '+08:00';

/** A system with a WSDL 1.1 description, a file or an address. */
export async function probeWsdl(options: OnboardOptions, { folder, codes }: Place): Promise<Probe> {
  const { source, system } = options;
  const { values, named } = headersOf(options);
  // Without --url nobody knows yet whose headers they are.
  const callers = options.url === null ? [] : [{ url: options.url, headers: values }];
  const description = await loadWsdl(source, process.cwd(), callers).catch((error: unknown) => {
    throw error instanceof DeclarationError ? new OnboardError(error.whole) : error;
  });
  const url = options.url ?? description.address;
  if (url === null || !/^https?:\/\/[^${}]+$/.test(url))
    throw new OnboardError('Where does the system answer? Give --url; example: --url https://meters.example/soap');
  const { drafted, left } = draftWsdl(description);
  const told = [...left, ...description.left].slice(0, 10);
  const remote = /^https?:/.test(source);
  // What it imports lies beside it: it stays where it is.
  const alone = !remote && description.documents === 1;
  const file = `islands/${system}.wsdl`;
  const place = remote ? source : alone ? file : relative(folder, resolve(source)).replaceAll('\\', '/');
  const [code = '1'] = codes;
  return {
    found: `${description.operations.size} operations, ${drafted.length} things that they tell of${told.length > 0 ? `; ${told.join('; ')}` : ''}`,
    drafted,
    nothing: `The description has no operation that reads and answers something with plain fields${told.length > 0 ? ` (${told.join('; ')})` : ''}`,
    connector: 'wsdl',
    written: { wsdl: place, url, zone: ZONE, ...(options.headers.length > 0 ? { headers: named } : {}) },
    values: { wsdl: remote ? source : resolve(source), url, zone: ZONE, headers: values },
    copy: alone ? { from: source, to: file, what: 'a copy of the description' } : null,
    sample: async (entity) => {
      const typed = typedEntity(system, entity, description.operations);
      const reader = wsdlReader(description, { url, headers: values, check: null, absent: null, zone: ZONE }, [typed]);
      try {
        return [await sample(reader, entity, code)];
      } finally {
        await reader.close();
      }
    },
    close: async () => undefined,
  };
}
