/** The section `origins` of isthmus.yaml: the web origins whose pages may use this hub. */

const EXAMPLE = 'example: origins: [https://app.example]';

/**
 * Reads the plain value as origins in the form that browsers send (`https://app.example`, without a default port and without a slash).
 * `fault` gets a sentence for each thing that is wrong.
 */
export function readOrigins(raw: unknown, fault: (sentence: string) => void): readonly string[] {
  if (raw === null || raw === undefined) return [];
  if (!Array.isArray(raw)) {
    fault(`origins must be a list, found ${JSON.stringify(raw)}; ${EXAMPLE}`);
    return [];
  }
  return [...new Set(raw.flatMap((one) => readOrigin(one, fault) ?? []))];
}

function readOrigin(raw: unknown, fault: (sentence: string) => void): string | null {
  const wrong = (problem: string, found: unknown = raw): null => {
    fault(`origins: ${problem}, found ${JSON.stringify(found)}; ${EXAMPLE}`);
    return null;
  };
  if (typeof raw !== 'string') return wrong('each must be a text');
  if (raw.includes('*')) return wrong('each must be exact: there is no wildcard, list every origin');
  if (!/^https?:\/\//i.test(raw) || !URL.canParse(raw)) return wrong('each must begin with https:// or http://');
  const url = new URL(raw);
  if (url.username !== '' || url.password !== '')
    return wrong('an origin has no user name and no password', `${url.protocol}//***@${url.host}`);
  // A single slash behind the host is what copying from an address bar leaves.
  if (!/^https?:\/\/[^/?#\\\s]+\/?$/i.test(raw)) return wrong('an origin is scheme, host and port, without a path');
  return url.origin;
}
