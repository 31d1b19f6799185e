/**
 * Where a caller shows its token: the header `authorization`, or the same name in the `connectionParams` of a WebSocket. What looks
 * like a credential and is not understood is refused: dropped, it would make a signed-in caller an anonymous one.
 */
import type { IncomingMessage } from 'node:http';
import { HubError } from '../../../connectors/kit/errors.ts';

/** What is read of a request. */
export type Shown = Pick<IncomingMessage, 'headers' | 'rawHeaders' | 'url'>;

/** Names that hold credentials, without case, hyphens and underscores. "author" and tokens against forged forms are none. */
const NAME =
  /auth(?!or(?!i[sz]))|token|apikey|accesskey|privatekey|secret|passw|passphrase|pwd|cookie|credential|jwt|bearer|session/;
const HARMLESS = /[cx]srf/;
/** Values that are credentials under any name: with a scheme, or a signed token. */
const VALUE = /^\s*(authorization\s*:|(bearer|basic)\s+\S)|^\s*eyJ[\w-]+\.[\w-]+\.[\w-]*\s*$/i;
/** Headers of other gateways' credentials. Proxies add some of them on their own, so they count only where nothing else is shown. */
const HEADERS = ['x-api-key', 'api-key', 'apikey', 'x-auth-token', 'x-access-token', 'x-authorization', 'auth-token'];
const DEEPEST = 8;

const EXPECTED = '"Bearer <token>"';
const refused = (what: string): HubError => new HubError('UNAUTHENTICATED', what);

const holdsCredential = (name: string): boolean => {
  const plain = name.toLowerCase().replace(/[^a-z0-9]/g, '');
  return NAME.test(plain) && !HARMLESS.test(plain);
};

/**
 * The authorization that the caller shows; undefined when it shows none.
 * Throws UNAUTHENTICATED for a credential that is not understood and for two that differ.
 */
export function credentialOf(request: Shown, params?: unknown): string | undefined {
  const header = ofHeaders(request);
  const others: string[] = [];
  if (params !== undefined && params !== null) look(params, [], others);
  const [first = header] = others;
  if (others.some((one) => one !== first) || (header !== undefined && first !== header)) {
    throw refused('Two different credentials were sent: send one.');
  }
  return first ?? elsewhere(request);
}

function ofHeaders({ headers, rawHeaders }: Shown): string | undefined {
  let count = 0;
  // Node keeps the first of several and drops the rest.
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 13 && name.toLowerCase() === 'authorization') count += 1;
  }
  if (count > 1) throw refused('The header authorization was sent twice: send one.');
  return headers.authorization;
}

/** Refuses what is shown in other headers or in the address, where nothing else is. */
function elsewhere({ headers, url = '' }: Shown): undefined {
  const header = HEADERS.find((name) => headers[name] !== undefined);
  if (header) throw refused(`The header ${header} is not understood: send authorization as ${EXPECTED}.`);
  const protocols = headers['sec-websocket-protocol'];
  if (protocols !== undefined && /bearer|authoriz|token|eyJ/i.test(protocols)) {
    throw refused(`A subprotocol is no credential: send connectionParams.authorization as ${EXPECTED}.`);
  }
  const at = url.indexOf('?');
  if (at < 0) return undefined;
  for (const name of new URLSearchParams(url.slice(at)).keys()) {
    if (holdsCredential(name)) {
      throw refused(`${short(name)} in the address is not understood: send authorization as ${EXPECTED}.`);
    }
  }
  return undefined;
}

/** Collects what is understood of `connectionParams`: `authorization` in any case, at the top or under `headers`. */
function look(value: unknown, path: readonly string[], found: string[]): void {
  if (typeof value === 'string') {
    if (VALUE.test(value)) throw unknown(path);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (path.length > DEEPEST) throw refused('connectionParams are nested too deeply.');
  for (const [name, one] of Object.entries(value)) {
    if (one === null || typeof one === 'boolean') continue;
    const here = [...path, name];
    if (name.toLowerCase() === 'authorization' && isPlace(path)) {
      if (typeof one !== 'string') throw refused(`connectionParams.${nameOf(here)} must be the text ${EXPECTED}.`);
      found.push(one);
    } else if (holdsCredential(name)) throw unknown(here);
    else look(one, here, found);
  }
}

const isPlace = (path: readonly string[]): boolean =>
  path.length === 0 || (path.length === 1 && path[0]?.toLowerCase() === 'headers');

const unknown = (path: readonly string[]): HubError =>
  refused(`connectionParams.${nameOf(path)} is not understood: connectionParams.authorization must be ${EXPECTED}.`);

/** Short enough for the reason of a closed socket, 123 bytes with the rest. */
const nameOf = (path: readonly string[]): string => short(path.join('.'));
const short = (name: string): string => {
  const plain = name.replace(/[^\w.-]/g, '?');
  return plain.length > 24 ? `${plain.slice(0, 23)}~` : plain;
};
