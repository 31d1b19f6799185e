/**
 * How a principal travels from the gateway to a connector's own process: packed, with an end, and signed together with the
 * subgraph's name and the request's bytes. Who copies it from the wire can repeat that very request for some seconds and
 * nothing else. The key lies in the database that all processes of one hub share.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { HubError } from '../errors.ts';
import type { Principal } from './principal.ts';

/** Header that carries it. */
export const PRINCIPAL_HEADER = 'x-isthmus-principal';

/** Longer than any operation, clocks that differ included. */
const VALID = 60_000;
const LARGEST = 64 * 1024;

export interface Journey {
  readonly key: Buffer;
  /** Name of the subgraph that it is meant for. */
  readonly subgraph: string;
  /** Body of the request. */
  readonly body: string | Buffer;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** The header's value. */
export function signPrincipal(principal: Principal, journey: Journey): string {
  const packed = Buffer.from(
    JSON.stringify({
      until: journey.now + VALID,
      principal: { ...principal, scopes: [...principal.scopes], consents: [...principal.consents] },
    }),
  ).toString('base64url');
  return `${packed}.${seal(packed, journey).toString('base64url')}`;
}

/** The principal of a header's value; throws UNAUTHENTICATED when it is absent, forged, old, or of another request. */
export function readPrincipal(value: string | undefined, journey: Journey): Principal {
  const refused = () =>
    new HubError('UNAUTHENTICATED', 'This is a subgraph of a hub: it answers its own gateway only. Ask the gateway.');
  const [packed, given, rest] = (value ?? '').split('.');
  if (!packed || !given || rest !== undefined || packed.length > LARGEST) throw refused();
  const right = seal(packed, journey);
  const shown = Buffer.from(given, 'base64url');
  if (shown.length !== right.length || !timingSafeEqual(shown, right)) throw refused();
  const { until, principal } = JSON.parse(Buffer.from(packed, 'base64url').toString('utf8')) as {
    until: number;
    principal: Omit<Principal, 'scopes' | 'consents'> & { scopes: string[]; consents: string[] };
  };
  if (!(until > journey.now && until <= journey.now + 2 * VALID)) throw refused();
  return { ...principal, scopes: new Set(principal.scopes), consents: new Set(principal.consents) };
}

const seal = (packed: string, { key, subgraph, body }: Journey): Buffer =>
  createHmac('sha256', key)
    .update(`${packed}\n${subgraph}\n${createHash('sha256').update(body).digest('base64url')}`)
    .digest();
