/**
 * Finds the caller's credential: the header `authorization`, or the member of that name in the `connectionParams` of a WebSocket.
 * Anything else that looks like a credential is rejected: ignoring it would turn an authenticated caller into an anonymous one.
 */
import type { IncomingMessage } from 'node:http';
import { HubError } from '../../../connectors/kit/errors.ts';

/** The parts of a request in which credentials are searched. */
export type RequestHead = Pick<IncomingMessage, 'headers' | 'rawHeaders' | 'url'>;

/** Matches names of credentials in lower case, without hyphens and underscores; not "author", and not CSRF tokens. */
const CREDENTIAL_NAME =
  /auth(?!or(?!i[sz]))|token|apikey|accesskey|privatekey|secret|passw|passphrase|pwd|cookie|credential|jwt|bearer|session/;
const NOT_A_CREDENTIAL = /[cx]srf/;
/** Values that are credentials under any name: with a scheme, or a signed token. */
const CREDENTIAL_VALUE = /^\s*(authorization\s*:|(bearer|basic)\s+\S)|^\s*eyJ[\w-]+\.[\w-]+\.[\w-]*\s*$/i;
/** Credential headers of other gateways. Proxies add some of them, so they are rejected only if there is no authorization. */
const OTHER_HEADERS = [
  'x-api-key',
  'api-key',
  'apikey',
  'x-auth-token',
  'x-access-token',
  'x-authorization',
  'auth-token',
];
const MAX_DEPTH = 8;

const EXPECTED = '"Bearer <token>"';
const rejected = (message: string): HubError => new HubError('UNAUTHENTICATED', message);

const holdsCredential = (name: string): boolean => {
  const plain = name.toLowerCase().replace(/[^a-z0-9]/g, '');
  return CREDENTIAL_NAME.test(plain) && !NOT_A_CREDENTIAL.test(plain);
};

/**
 * Returns the authorization of the request or of its `connectionParams`; undefined if there is no credential.
 * Throws `UNAUTHENTICATED` for a credential in another place or form, and for two that differ.
 */
export function findCredential(request: RequestHead, params?: unknown): string | undefined {
  const header = authorizationHeader(request);
  const found: string[] = [];
  if (params !== undefined && params !== null) collectFromParams(params, [], found);
  const [first = header] = found;
  if (found.some((other) => other !== first) || (header !== undefined && first !== header)) {
    throw rejected('Two different credentials received. Send only one.');
  }
  return first ?? rejectOtherPlaces(request);
}

function authorizationHeader({ headers, rawHeaders }: RequestHead): string | undefined {
  let count = 0;
  // Of repeated authorization headers Node keeps only the first in `headers`.
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 13 && name.toLowerCase() === 'authorization') count += 1;
  }
  if (count > 1) throw rejected('Header authorization received twice. Send it once.');
  return headers.authorization;
}

/** Throws if another header, the subprotocol or the URL holds a credential. */
function rejectOtherPlaces({ headers, url = '' }: RequestHead): undefined {
  const header = OTHER_HEADERS.find((name) => headers[name] !== undefined);
  if (header) throw rejected(`Unsupported header ${header}. Send authorization: ${EXPECTED}.`);
  const protocols = headers['sec-websocket-protocol'];
  if (protocols !== undefined && /bearer|authoriz|token|eyJ/i.test(protocols)) {
    throw rejected(`Credential in the subprotocol is not supported. Send connectionParams.authorization: ${EXPECTED}.`);
  }
  const at = url.indexOf('?');
  if (at < 0) return undefined;
  for (const name of new URLSearchParams(url.slice(at)).keys()) {
    if (holdsCredential(name)) {
      throw rejected(`Credential in the URL (${shorten(name)}) is not supported. Send authorization: ${EXPECTED}.`);
    }
  }
  return undefined;
}

/** Adds to `found` each `authorization` (any case) at the top level of `connectionParams` or in its member `headers`. */
function collectFromParams(value: unknown, path: readonly string[], found: string[]): void {
  if (typeof value === 'string') {
    if (CREDENTIAL_VALUE.test(value)) throw unsupported(path);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (path.length > MAX_DEPTH) throw rejected(`connectionParams are nested too deeply: at most ${MAX_DEPTH} levels.`);
  for (const [name, member] of Object.entries(value)) {
    if (member === null || typeof member === 'boolean') continue;
    const memberPath = [...path, name];
    if (name.toLowerCase() === 'authorization' && isAuthorizationPlace(path)) {
      if (typeof member !== 'string') {
        throw rejected(`connectionParams.${shortPath(memberPath)} must be the string ${EXPECTED}.`);
      }
      found.push(member);
    } else if (holdsCredential(name)) throw unsupported(memberPath);
    else collectFromParams(member, memberPath, found);
  }
}

const isAuthorizationPlace = (path: readonly string[]): boolean =>
  path.length === 0 || (path.length === 1 && path[0]?.toLowerCase() === 'headers');

const unsupported = (path: readonly string[]): HubError =>
  rejected(
    `Unsupported credential connectionParams.${shortPath(path)}. Send connectionParams.authorization: ${EXPECTED}.`,
  );

/** At most 24 characters: the whole message must fit into a WebSocket close reason (123 bytes). */
const shortPath = (path: readonly string[]): string => shorten(path.join('.'));
const shorten = (name: string): string => {
  const plain = name.replace(/[^\w.-]/g, '?');
  return plain.length > 24 ? `${plain.slice(0, 23)}~` : plain;
};
