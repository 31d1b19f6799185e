/**
 * The token that carries a principal from the gateway to a connector's own process. It expires after a minute and is signed together with
 * the subgraph's name and the body of the request, so an intercepted token can only repeat that request. The key is in the database that
 * all processes of one hub share.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { HubError } from '../errors.ts';
import type { Principal } from './principal.ts';

/** The header of the token. */
export const PRINCIPAL_HEADER = 'x-isthmus-principal';

/** Milliseconds. Longer than any operation, including a difference between the clocks of two machines. */
const LIFETIME = 60_000;
/** Characters of the encoded principal. */
const MAX_LENGTH = 64 * 1024;

/** What a token is valid for. */
export interface PrincipalTokenBinding {
  readonly key: Buffer;
  /** Name of the subgraph that receives it. */
  readonly subgraph: string;
  /** Body of the request. */
  readonly body: string | Buffer;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Returns the value of the header. */
export function signPrincipal(principal: Principal, binding: PrincipalTokenBinding): string {
  const payload = Buffer.from(
    JSON.stringify({
      until: binding.now + LIFETIME,
      principal: { ...principal, scopes: [...principal.scopes], consents: [...principal.consents] },
    }),
  ).toString('base64url');
  return `${payload}.${sign(payload, binding).toString('base64url')}`;
}

/** Returns the principal. Throws UNAUTHENTICATED if the value is absent, forged, expired or of another request. */
export function readPrincipal(value: string | undefined, binding: PrincipalTokenBinding): Principal {
  const invalid = () =>
    new HubError(
      'UNAUTHENTICATED',
      `Invalid ${PRINCIPAL_HEADER}: this subgraph accepts requests from its own gateway only. Send the request to the gateway.`,
    );
  const [payload, signature, rest] = (value ?? '').split('.');
  if (!payload || !signature || rest !== undefined || payload.length > MAX_LENGTH) throw invalid();
  const expected = sign(payload, binding);
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw invalid();
  const { until, principal } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as {
    until: number;
    principal: Omit<Principal, 'scopes' | 'consents'> & { scopes: string[]; consents: string[] };
  };
  if (!(until > binding.now && until <= binding.now + 2 * LIFETIME)) throw invalid();
  return { ...principal, scopes: new Set(principal.scopes), consents: new Set(principal.consents) };
}

const sign = (payload: string, { key, subgraph, body }: PrincipalTokenBinding): Buffer =>
  createHmac('sha256', key)
    .update(`${payload}\n${subgraph}\n${createHash('sha256').update(body).digest('base64url')}`)
    .digest();
