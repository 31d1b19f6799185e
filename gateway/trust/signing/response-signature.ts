/**
 * Signed answers: a detached JWS (RFC 7515, appendix F; EdDSA) over the SHA-256 of query, variables, data, errors and everything
 * that `extensions` tells, provenance first of all. The answer carries what was asked, so that the file alone can be verified.
 */
import { createHash } from 'node:crypto';
import { CompactSign, compactVerify } from 'jose';
import { type PublicJwk, publicKeyOf, type SigningKey } from './signing-key.ts';

/** What `extensions.signature` holds. */
export interface AnswerSignature {
  /** When it was signed: ISO 8601 in UTC. */
  readonly time: string;
  readonly query: string;
  readonly operationName: string | null;
  readonly variables: Readonly<Record<string, unknown>>;
  /** header..signature; the payload is made from the rest. */
  readonly jws: string;
}

interface Signable {
  readonly data?: unknown;
  readonly errors?: readonly {
    readonly path?: readonly (string | number)[] | undefined;
    readonly extensions?: Readonly<Record<string, unknown>> | undefined;
  }[];
  readonly extensions?: Readonly<Record<string, unknown>>;
}

const TYPE = 'isthmus-answer+jws';

/** JSON with sorted keys and no spaces (RFC 8785), so that a reformatted file still verifies. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((one) => canonical(one ?? null)).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const members = Object.keys(value)
    .filter((key) => (value as Record<string, unknown>)[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical((value as Record<string, unknown>)[key])}`);
  return `{${members.join()}}`;
}

const digest = (value: unknown): string => createHash('sha256').update(canonical(value)).digest('hex');

/** What is signed. Messages of errors are for people and are left out; where they stand and their codes are not. */
function payloadOf(asked: Omit<AnswerSignature, 'jws'>, answer: Signable): string {
  const { signature: _, ...told } = answer.extensions ?? {};
  return canonical({
    time: asked.time,
    operationName: asked.operationName,
    query: digest(asked.query),
    variables: digest(asked.variables),
    data: digest(answer.data),
    errors: digest(
      (answer.errors ?? []).map(({ path, extensions }) => ({ path: path ?? null, code: extensions?.['code'] ?? null })),
    ),
    provenance: digest(told),
  });
}

/** The signature of an answer to what was asked. */
export async function signAnswer(
  key: SigningKey,
  asked: Omit<AnswerSignature, 'jws'>,
  answer: Signable,
): Promise<AnswerSignature> {
  const { kty, crv, x } = key.publicJwk;
  const whole = await new CompactSign(Buffer.from(payloadOf(asked, answer)))
    .setProtectedHeader({ alg: 'EdDSA', typ: TYPE, kid: key.id, jwk: { kty, crv, x } })
    .sign(key.privateKey);
  const [header, , signature] = whole.split('.');
  return { ...asked, jws: `${header}..${signature}` };
}

/** As the operation asks for it. */
export const signer =
  (key: SigningKey, now: () => Date) =>
  async <A extends Signable>(
    request: {
      readonly query: string;
      readonly operationName?: string | undefined;
      readonly variables?: Readonly<Record<string, unknown>> | undefined;
    },
    answer: A,
  ): Promise<A> => {
    const asked = {
      time: now().toISOString(),
      query: request.query,
      operationName: request.operationName ?? null,
      variables: request.variables ?? {},
    };
    const signature = await signAnswer(key, asked, answer);
    return Object.assign(answer, { extensions: { ...answer.extensions, signature } });
  };

/** What the verification of an answer has found. */
export interface AnswerReport {
  /** Null: it verifies. */
  readonly fault: string | null;
  readonly key: string | null;
  readonly time: string | null;
}

/** Verifies an answer as the hub sent it. `trusted`: ids of the keys that may sign; absent: any key, which the report names. */
export async function verifyAnswer(answer: unknown, trusted?: readonly string[]): Promise<AnswerReport> {
  const broken = (fault: string, key: string | null = null): AnswerReport => ({ fault, key, time: null });
  const whole = answer as Signable & { extensions?: { signature?: Partial<AnswerSignature> } };
  const signed = whole?.extensions?.signature;
  if (!signed || typeof signed.jws !== 'string') {
    return broken('the answer is not signed: ask for it by "extensions": {"sign": true} in the request');
  }
  const { jws, ...asked } = signed as AnswerSignature;
  const [header, payload, signature, ...more] = jws.split('.');
  if (!header || payload !== '' || !signature || more.length > 0) return broken('the signature is not a detached JWS');
  // One spelling only: base64url lets the last character vary.
  for (const part of [header, signature]) {
    if (Buffer.from(part, 'base64url').toString('base64url') !== part) return broken('the signature is misspelt');
  }
  let jwk: Partial<PublicJwk>;
  let kid: unknown;
  try {
    const read = JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as Record<string, unknown>;
    if (read['alg'] !== 'EdDSA' || read['typ'] !== TYPE) return broken('the signature is of another kind');
    jwk = (read['jwk'] ?? {}) as Partial<PublicJwk>;
    kid = read['kid'];
  } catch {
    return broken('the head of the signature cannot be read');
  }
  const key = publicKeyOf({ ...jwk, kid });
  if (!key) return broken('the key of the signature is not what its id says');
  if (trusted && !trusted.includes(key.id)) return broken(`the key that signed it is not trusted: ${key.id}`, key.id);
  if (!isAsked(asked)) return broken('what was asked is missing or has more in it than was signed', key.id);
  const encoded = Buffer.from(payloadOf(asked, whole)).toString('base64url');
  try {
    await compactVerify(`${header}.${encoded}.${signature}`, key.key, { algorithms: ['EdDSA'] });
  } catch {
    return broken('query, variables, data or provenance are not those that were signed', key.id);
  }
  return { fault: null, key: key.id, time: asked.time };
}

const isAsked = (asked: Readonly<Record<string, unknown>>): boolean =>
  Object.keys(asked).sort().join() === 'operationName,query,time,variables' &&
  typeof asked['query'] === 'string' &&
  typeof asked['time'] === 'string' &&
  typeof asked['variables'] === 'object';
