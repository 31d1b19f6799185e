/** Reads the text of an OpenAPI description, from a file next to isthmus.yaml or a URL, and reads it again while the hub runs. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { systemClock } from '../../kit/clock.ts';
import { DeclarationError } from '../../kit/errors.ts';
import type { ParsedDescription, RereadableDescription } from './description-drift.ts';
import { fetchDocument, type InstallationEndpoint } from './fetch-description.ts';

/** Milliseconds after which a description in several documents is parsed again: a change is only detected in the text of the first. */
const MAX_AGE = 600_000;

export interface DescriptionText {
  /** Path of the file, or URL. */
  readonly place: string;
  readonly text: string;
  /** Media type from HTTP; empty for a file. */
  readonly type: string;
  /** SHA-256 of the text; null: it refers to other documents. */
  readonly digest: string | null;
}

/** Reads the text; from a URL with the headers of the endpoint at that origin. Rejects with `DeclarationError`. */
export async function readDescriptionText(
  source: string,
  folder: string,
  endpoints: readonly InstallationEndpoint[],
  signal?: AbortSignal,
): Promise<DescriptionText> {
  const remote = /^https?:\/\//.test(source);
  const place = remote ? source : resolve(folder, source);
  if (!remote && !existsSync(place))
    throw new DeclarationError(`The description ${source} does not exist next to isthmus.yaml.`);
  try {
    const { text, type } = remote
      ? await fetchText(place, endpoints, signal)
      : { text: await readFile(place, 'utf8'), type: '' };
    const hasReferences = /\$ref["']?\s*:\s*["']?[^#"'\s]/.test(text);
    return { place, text, type, digest: hasReferences ? null : createHash('sha256').update(text).digest('hex') };
  } catch (error) {
    throw new DeclarationError(`The description ${source} cannot be read.`, (error as Error).message);
  }
}

async function fetchText(
  url: string,
  endpoints: readonly InstallationEndpoint[],
  signal?: AbortSignal,
): Promise<{ text: string; type: string }> {
  const { bytes, type } = await fetchDocument(url, endpoints, signal);
  return { text: bytes.toString('utf8'), type };
}

/** Creates a reread function that parses each text once, for all installations that share the description. */
export function createReread(
  first: ParsedDescription,
  load: (signal: AbortSignal) => Promise<DescriptionText>,
  parse: (text: DescriptionText) => Promise<ParsedDescription>,
): RereadableDescription['reread'] {
  let last = { digest: first.digest, parsed: Promise.resolve(first), until: systemClock.monotonic() + MAX_AGE };
  return async (signal) => {
    const text = await load(signal);
    const isExpired = text.digest === null && systemClock.monotonic() > last.until;
    if (isExpired || text.digest !== last.digest) {
      last = { digest: text.digest, parsed: parse(text), until: systemClock.monotonic() + MAX_AGE };
      // Every caller may have left before it rejects.
      last.parsed.catch(() => undefined);
    }
    const { parsed } = last;
    return () => parsed;
  };
}
