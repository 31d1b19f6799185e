/** The text of an OpenAPI description: a file beside isthmus.yaml, or what is served at an address; read again as long as the hub runs. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { systemClock } from '../../kit/clock.ts';
import { DeclarationError } from '../../kit/connector.ts';
import type { Offered, Rereadable } from './description-drift.ts';
import { type Caller, fetchAt } from './fetch-description.ts';

/** How long the parts of a description in several files are believed, in milliseconds: only the first of them is compared by its text. */
const BELIEVED = 600_000;

export interface DescriptionText {
  /** The file's path, or the address. */
  readonly place: string;
  readonly text: string;
  /** Its media type, where it came over HTTP. */
  readonly type: string;
  /** Null: parts of it stand elsewhere. */
  readonly digest: string | null;
}

/** Reads the text, from an address with the headers of the callers; rejects with `DeclarationError`. */
export async function textOf(
  source: string,
  folder: string,
  callers: readonly Caller[],
  signal?: AbortSignal,
): Promise<DescriptionText> {
  const remote = /^https?:\/\//.test(source);
  const place = remote ? source : resolve(folder, source);
  if (!remote && !existsSync(place))
    throw new DeclarationError(`The description ${source} is no file beside isthmus.yaml.`);
  try {
    const { text, type } = remote
      ? await fetched(place, callers, signal)
      : { text: await readFile(place, 'utf8'), type: '' };
    const elsewhere = /\$ref["']?\s*:\s*["']?[^#"'\s]/.test(text);
    return { place, text, type, digest: elsewhere ? null : createHash('sha256').update(text).digest('hex') };
  } catch (error) {
    throw new DeclarationError(`The description ${source} cannot be read.`, (error as Error).message);
  }
}

async function fetched(
  url: string,
  callers: readonly Caller[],
  signal?: AbortSignal,
): Promise<{ text: string; type: string }> {
  const { bytes, type } = await fetchAt(url, callers, signal);
  return { text: bytes.toString('utf8'), type };
}

/** Reads the description again: what it offers is made once of each text, for all installations that name it. */
export function againOf(
  first: Offered,
  load: (signal: AbortSignal) => Promise<DescriptionText>,
  make: (text: DescriptionText) => Promise<Offered>,
): Rereadable['again'] {
  let last = { digest: first.digest, offered: Promise.resolve(first), until: systemClock.monotonic() + BELIEVED };
  return async (signal) => {
    const text = await load(signal);
    const due = text.digest === null && systemClock.monotonic() > last.until;
    if (due || text.digest !== last.digest) {
      last = { digest: text.digest, offered: make(text), until: systemClock.monotonic() + BELIEVED };
      // Whoever asked may have gone by then.
      last.offered.catch(() => undefined);
    }
    const { offered } = last;
    return () => offered;
  };
}
