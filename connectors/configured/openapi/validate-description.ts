import { parse as parseYaml } from 'yaml';
import { DeclarationError } from '../../kit/connector.ts';
import type { DescriptionText } from '../description/description-source.ts';

/** Mesh writes what it cannot parse to the console; here it is a sentence. So is a page that is no description, which Mesh takes for an empty one. */
export function wellFormed(source: string, { place, text, type }: DescriptionText): void {
  let read: unknown;
  try {
    read =
      /\.json$/i.test(place) || /json/i.test(type)
        ? JSON.parse(text)
        : parseYaml(text, { merge: true, logLevel: 'error' });
  } catch (error) {
    throw new DeclarationError(
      `The description ${source} cannot be read as OpenAPI.`,
      (error as Error).message.split('\n')[0],
    );
  }
  const described = typeof read === 'object' && read !== null && ('openapi' in read || 'swagger' in read);
  if (!described)
    throw new DeclarationError(
      `The description ${source} cannot be read as OpenAPI.`,
      'It says neither openapi nor swagger.',
    );
}
