import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { DeclarationError } from '../kit/connector.ts';

/** Mesh writes what it cannot parse to the console; here it is a sentence. */
export function wellFormed(source: string, place: string): void {
  try {
    const text = readFileSync(place, 'utf8');
    if (/\.json$/i.test(place)) JSON.parse(text);
    else parseYaml(text);
  } catch (error) {
    throw new DeclarationError(
      `The description ${source} cannot be read as OpenAPI.`,
      (error as Error).message.split('\n')[0],
    );
  }
}
