import { relative, resolve } from 'node:path';
import { DeclarationError } from '../../kit/errors.ts';
import { resolveFieldTypes } from '../core/connector-family.ts';
import { draftWsdl } from '../draft/draft-wsdl.ts';
import { createWsdlReader } from '../wsdl/index.ts';
import { loadWsdl } from '../wsdl/load-wsdl.ts';
import { OnboardError, type OnboardOptions, type OnboardTarget, type Probe, readHeaderOptions } from './probe.ts';
import { runSampleQuery } from './sample-query.ts';

/** Default offset of times without one. */
const ZONE = '+08:00';

/** Probes a system with a WSDL 1.1 description (file or URL). Rejects with `OnboardError`. */
export async function probeWsdl(
  options: OnboardOptions,
  { folder, buildingCodes: codes }: OnboardTarget,
): Promise<Probe> {
  const { source, system } = options;
  const { values, references } = readHeaderOptions(options);
  // Without --url the origin of the headers is not known yet, so none are sent.
  const endpoints = options.url === null ? [] : [{ url: options.url, headers: values }];
  const description = await loadWsdl(source, process.cwd(), endpoints).catch((error: unknown) => {
    throw error instanceof DeclarationError ? new OnboardError(error.fullMessage) : error;
  });
  const url = options.url ?? description.address;
  if (url === null || !/^https?:\/\/[^${}]+$/.test(url))
    throw new OnboardError(
      '--url is required: the description contains no usable address; example: --url https://meters.example/soap',
    );
  const { drafts, skipped } = draftWsdl(description);
  const notes = [...skipped, ...description.skipped].slice(0, 10);
  const remote = /^https?:/.test(source);
  // A description with imports is not copied, since they are relative to it.
  const isSingleFile = !remote && description.documents === 1;
  const file = `islands/${system}.wsdl`;
  const place = remote ? source : isSingleFile ? file : relative(folder, resolve(source)).replaceAll('\\', '/');
  const [code = '1'] = codes;
  return {
    summary: `${description.operations.size} operations, ${drafts.length} entities${notes.length > 0 ? `; ${notes.join('; ')}` : ''}`,
    drafts,
    emptyReason: `The description has no read operation that returns objects with scalar fields${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`,
    family: 'wsdl',
    fileSettings: { wsdl: place, url, zone: ZONE, ...(options.headers.length > 0 ? { headers: references } : {}) },
    settings: { wsdl: remote ? source : resolve(source), url, zone: ZONE, headers: values },
    copy: isSingleFile ? { from: source, to: file, description: 'copy of the description' } : null,
    sample: async (entity) => {
      const typed = resolveFieldTypes(system, entity, description.operations);
      const reader = createWsdlReader(description, { url, headers: values, check: null, absent: null, zone: ZONE }, [
        typed,
      ]);
      try {
        return [await runSampleQuery(reader, entity, code)];
      } finally {
        await reader.close();
      }
    },
    close: async () => undefined,
  };
}
