/** The section `origins` of isthmus.yaml: web origins whose pages may call the hub (CORS). */

const EXAMPLE = 'example: origins: [https://app.example]';

/**
 * Reads the section as origins in the form that browsers send: `https://app.example`, without a default port or trailing slash.
 * Reports every error to `addError`; invalid origins are left out.
 */
export function readOrigins(raw: unknown, addError: (message: string) => void): readonly string[] {
  if (raw === null || raw === undefined) return [];
  if (!Array.isArray(raw)) {
    addError(`origins must be a list, found ${JSON.stringify(raw)}; ${EXAMPLE}`);
    return [];
  }
  return [...new Set(raw.flatMap((origin) => readOrigin(origin, addError) ?? []))];
}

function readOrigin(raw: unknown, addError: (message: string) => void): string | null {
  const reject = (problem: string, found: unknown = raw): null => {
    addError(`origins: ${problem}, found ${JSON.stringify(found)}; ${EXAMPLE}`);
    return null;
  };
  if (typeof raw !== 'string') return reject('each must be a string');
  if (raw.includes('*')) return reject('wildcards are not supported, list every origin');
  if (!/^https?:\/\//i.test(raw) || !URL.canParse(raw)) return reject('each must start with https:// or http://');
  const url = new URL(raw);
  if (url.username !== '' || url.password !== '')
    return reject('an origin must not contain a user name or password', `${url.protocol}//***@${url.host}`);
  // One slash after the host is accepted: address bars copy it.
  if (!/^https?:\/\/[^/?#\\\s]+\/?$/i.test(raw)) return reject('an origin is scheme, host and port, without a path');
  return url.origin;
}
