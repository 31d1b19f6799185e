/**
 * Signed responses: a detached JWS (RFC 7515, appendix F; EdDSA) over the SHA-256 of query, variables, data, errors and all other
 * `extensions`, such as provenance. The response includes its request, so that a saved file can be verified by itself.
 */
import { createHash } from 'node:crypto';
import { CompactSign, compactVerify } from 'jose';
import { type PublicJwk, publicKeyOf, type SigningKey } from './signing-key.ts';

/** The content of `extensions.signature`. */
export interface ResponseSignature {
  /** When it was signed: ISO 8601 in UTC. */
  readonly time: string;
  readonly query: string;
  readonly operationName: string | null;
  readonly variables: Readonly<Record<string, unknown>>;
  /** `header..signature`; the payload is computed from request and response. */
  readonly jws: string;
}

/** A GraphQL response, as far as it is signed. */
interface SignableResponse {
  readonly data?: unknown;
  readonly errors?: readonly {
    readonly path?: readonly (string | number)[] | undefined;
    readonly extensions?: Readonly<Record<string, unknown>> | undefined;
  }[];
  readonly extensions?: Readonly<Record<string, unknown>>;
}

const TYPE = 'isthmus-answer+jws';

/** Canonical JSON (RFC 8785): sorted keys, no spaces. A reformatted file still verifies. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const members = Object.keys(value)
    .filter((key) => (value as Record<string, unknown>)[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson((value as Record<string, unknown>)[key])}`);
  return `{${members.join()}}`;
}

const digest = (value: unknown): string => createHash('sha256').update(canonicalJson(value)).digest('hex');

/** The signed payload. Of errors it covers path and code, not the message. */
function signedPayload(request: Omit<ResponseSignature, 'jws'>, response: SignableResponse): string {
  const { signature: _, ...signedExtensions } = response.extensions ?? {};
  return canonicalJson({
    time: request.time,
    operationName: request.operationName,
    query: digest(request.query),
    variables: digest(request.variables),
    data: digest(response.data),
    errors: digest(
      (response.errors ?? []).map(({ path, extensions }) => ({
        path: path ?? null,
        code: extensions?.['code'] ?? null,
      })),
    ),
    provenance: digest(signedExtensions),
  });
}

/** Signs the response to a request. */
export async function signResponse(
  key: SigningKey,
  request: Omit<ResponseSignature, 'jws'>,
  response: SignableResponse,
): Promise<ResponseSignature> {
  const { kty, crv, x } = key.publicJwk;
  const jws = await new CompactSign(Buffer.from(signedPayload(request, response)))
    .setProtectedHeader({ alg: 'EdDSA', typ: TYPE, kid: key.id, jwk: { kty, crv, x } })
    .sign(key.privateKey);
  const [header, , signature] = jws.split('.');
  return { ...request, jws: `${header}..${signature}` };
}

/** Returns a function that adds `extensions.signature` to a response. */
export const createResponseSigner =
  (key: SigningKey, now: () => Date) =>
  async <A extends SignableResponse>(
    request: {
      readonly query: string;
      readonly operationName?: string | undefined;
      readonly variables?: Readonly<Record<string, unknown>> | undefined;
    },
    response: A,
  ): Promise<A> => {
    const signedRequest = {
      time: now().toISOString(),
      query: request.query,
      operationName: request.operationName ?? null,
      variables: request.variables ?? {},
    };
    const signature = await signResponse(key, signedRequest, response);
    return Object.assign(response, { extensions: { ...response.extensions, signature } });
  };

/** The result of a verification. */
export interface SignatureReport {
  /** Why the signature is invalid, in words; null: it is valid. */
  readonly error: string | null;
  /** Id of the signing key; null if it is unknown. */
  readonly key: string | null;
  /** When the response was signed; null if the signature is invalid. */
  readonly time: string | null;
}

/** Verifies a response as the hub sent it. `trusted`: ids of the keys that may sign; undefined: any key, which the report names. */
export async function verifyResponse(response: unknown, trusted?: readonly string[]): Promise<SignatureReport> {
  const invalid = (error: string, key: string | null = null): SignatureReport => ({ error, key, time: null });
  const content = response as SignableResponse & { extensions?: { signature?: Partial<ResponseSignature> } };
  const signed = content?.extensions?.signature;
  if (!signed || typeof signed.jws !== 'string') {
    return invalid('the response is not signed; request a signed one with "extensions": {"sign": true}');
  }
  const { jws, ...request } = signed as ResponseSignature;
  const [header, payload, signature, ...more] = jws.split('.');
  if (!header || payload !== '' || !signature || more.length > 0) return invalid('the signature is not a detached JWS');
  // base64url leaves unused bits in the last character: only the canonical form is accepted.
  for (const part of [header, signature]) {
    if (Buffer.from(part, 'base64url').toString('base64url') !== part)
      return invalid('the signature is not canonical base64url');
  }
  let jwk: Partial<PublicJwk>;
  let kid: unknown;
  try {
    const read = JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as Record<string, unknown>;
    if (read['alg'] !== 'EdDSA' || read['typ'] !== TYPE)
      return invalid('the signature has an unsupported algorithm or type');
    jwk = (read['jwk'] ?? {}) as Partial<PublicJwk>;
    kid = read['kid'];
  } catch {
    return invalid('the header of the signature is malformed');
  }
  const key = publicKeyOf({ ...jwk, kid });
  if (!key) return invalid('the key does not match its id');
  if (trusted && !trusted.includes(key.id)) return invalid(`the signing key is not trusted: ${key.id}`, key.id);
  if (!isSignedRequest(request)) return invalid('the signed request is missing or has additional members', key.id);
  const encoded = Buffer.from(signedPayload(request, content)).toString('base64url');
  try {
    await compactVerify(`${header}.${encoded}.${signature}`, key.key, { algorithms: ['EdDSA'] });
  } catch {
    return invalid('query, variables, data, errors or extensions were changed after signing', key.id);
  }
  return { error: null, key: key.id, time: request.time };
}

const isSignedRequest = (request: Readonly<Record<string, unknown>>): boolean =>
  Object.keys(request).sort().join() === 'operationName,query,time,variables' &&
  typeof request['query'] === 'string' &&
  typeof request['time'] === 'string' &&
  typeof request['variables'] === 'object';
