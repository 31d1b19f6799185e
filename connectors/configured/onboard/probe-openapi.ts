import { resolve } from 'node:path';
import { DeclarationError } from '../../kit/connector.ts';
import { draftEntities } from '../draft/draft-entities.ts';
import { openApiReader, readOpenApi } from '../openapi/openapi-reader.ts';
import { headersOf, OnboardError, type OnboardOptions, type Place, type Probe } from './probe.ts';
import { sample } from './sample-query.ts';

/** A system with an OpenAPI description, a file or an address. */
export async function probeOpenApi(options: OnboardOptions, { codes }: Place): Promise<Probe> {
  const { source, system } = options;
  const remote = /^https?:/.test(source);
  const { values, named } = headersOf(options);
  const url = options.url ?? (remote ? new URL('.', source).href.replace(/\/$/, '') : null);
  const callers = url === null ? [] : [{ url, headers: values }];
  const description = await readOpenApi(source, process.cwd(), callers).catch((error: unknown) => {
    throw error instanceof DeclarationError ? new OnboardError(error.whole) : error;
  });
  if (url === null)
    throw new OnboardError('Where does the system answer? Give --url; example: --url https://sensors.example/api');
  const drafted = draftEntities(description.operations);
  const file = `islands/${system}.openapi.json`;
  const reader = openApiReader(description, { url, headers: values, check: null });
  const [code = '1'] = codes;
  return {
    found: `${description.operations.size} operations that read, ${drafted.length} of them a list of things`,
    drafted,
    nothing: 'The description has no operation that answers a list of things with plain fields',
    connector: 'mesh',
    written: { openapi: remote ? source : file, url, ...(options.headers.length > 0 ? { headers: named } : {}) },
    values: { openapi: remote ? source : resolve(source), url, headers: values },
    copy: remote ? null : { from: source, to: file, what: 'a copy of the description' },
    sample: async (entity) => [await sample(reader, entity, code)],
    close: () => reader.close(),
  };
}
