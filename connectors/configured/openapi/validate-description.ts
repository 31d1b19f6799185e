import { parse as parseYaml } from 'yaml';
import { DeclarationError } from '../../kit/errors.ts';
import type { DescriptionText } from '../description/description-source.ts';

/**
 * Throws `DeclarationError` for a text that cannot be parsed, which GraphQL Mesh only prints to the console, and for one that is not a
 * description, which it reads as an empty one.
 */
export function validateDescription(source: string, { place, text, type }: DescriptionText): void {
  let content: unknown;
  try {
    content =
      /\.json$/i.test(place) || /json/i.test(type)
        ? JSON.parse(text)
        : parseYaml(text, { merge: true, logLevel: 'error' });
  } catch (error) {
    throw new DeclarationError(
      `The description ${source} cannot be read as OpenAPI.`,
      (error as Error).message.split('\n')[0],
    );
  }
  const isDescription =
    typeof content === 'object' && content !== null && ('openapi' in content || 'swagger' in content);
  if (!isDescription)
    throw new DeclarationError(
      `The description ${source} cannot be read as OpenAPI.`,
      'It has neither the member openapi nor swagger.',
    );
}
