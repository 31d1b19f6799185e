import { resolve } from 'node:path';
import { DeclarationError } from '../../kit/errors.ts';
import { draftEntities } from '../draft/draft-entities.ts';
import { createOpenApiReader, readOpenApi } from '../openapi/openapi-reader.ts';
import { OnboardError, type OnboardOptions, type OnboardTarget, type Probe, readHeaderOptions } from './probe.ts';
import { runSampleQuery } from './sample-query.ts';

/** Probes a system with an OpenAPI description (file or URL). Rejects with `OnboardError`. */
export async function probeOpenApi(options: OnboardOptions, { buildingCodes: codes }: OnboardTarget): Promise<Probe> {
  const { source, system } = options;
  const remote = /^https?:/.test(source);
  const { values, references } = readHeaderOptions(options);
  const url = options.url ?? (remote ? new URL('.', source).href.replace(/\/$/, '') : null);
  const endpoints = url === null ? [] : [{ url, headers: values }];
  const description = await readOpenApi(source, process.cwd(), endpoints).catch((error: unknown) => {
    throw error instanceof DeclarationError ? new OnboardError(error.fullMessage) : error;
  });
  if (url === null)
    throw new OnboardError(
      '--url is required: the description is a file, so the base URL is unknown; example: --url https://sensors.example/api',
    );
  const drafts = draftEntities(description.operations);
  const file = `islands/${system}.openapi.json`;
  const reader = createOpenApiReader(description, { url, headers: values, check: null });
  const [code = '1'] = codes;
  return {
    summary: `${description.operations.size} read operations, ${drafts.length} of them return lists`,
    drafts,
    emptyReason: 'The description has no operation that returns a list of objects with scalar fields',
    family: 'mesh',
    fileSettings: {
      openapi: remote ? source : file,
      url,
      ...(options.headers.length > 0 ? { headers: references } : {}),
    },
    settings: { openapi: remote ? source : resolve(source), url, headers: values },
    copy: remote ? null : { from: source, to: file, description: 'copy of the description' },
    sample: async (entity) => [await runSampleQuery(reader, entity, code)],
    close: () => reader.close(),
  };
}
