/** Fetching an issuer's keys: only the address that isthmus.yaml names, no redirects, small answers, a pause after a failure. */

import { systemClock } from '../../../connectors/kit/clock.ts';
import type { IssuerConfig } from '../../../connectors/kit/config/sections/auth.ts';

export type Fetch = (url: string, options: Readonly<Record<string, unknown>>) => Promise<Response>;

const LARGEST = 256 * 1024;
const PAUSE = 5_000;

/** `fetch` that follows no redirect, reads 256 kB at most, and fails at once for five seconds after a failure. */
export function limitedFetch(fetching: Fetch = fetch as Fetch): Fetch {
  let failed = Number.NEGATIVE_INFINITY;
  return async (url, options) => {
    if (systemClock.monotonic() - failed < PAUSE) throw new Error('The issuer failed a moment ago.');
    try {
      const answer = await fetching(url, {
        ...options,
        redirect: 'error',
        signal: options['signal'] ?? AbortSignal.timeout(3_000),
      });
      if (!answer.ok) throw new Error(`The issuer answered ${answer.status}.`);
      return new Response(await small(answer), { status: 200, headers: { 'content-type': 'application/json' } });
    } catch (error) {
      failed = systemClock.monotonic();
      throw error;
    }
  };
}

async function small(answer: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of answer.body ?? []) {
    size += (part as Uint8Array).length;
    if (size > LARGEST) throw new Error('The issuer answered too much.');
    parts.push(part as Uint8Array);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** The issuer's discovery document. Throws when it cannot be read or names another issuer. */
export async function discover(issuer: string, fetching: Fetch): Promise<Readonly<Record<string, unknown>>> {
  const where = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const document = (await (await fetching(where, {})).json()) as Readonly<Record<string, unknown>>;
  if (document['issuer'] !== issuer) throw new Error('The discovery document is of another issuer.');
  return document;
}

/** An address out of a discovery document: by https, or at the issuer's own host. Throws for any other. */
export function addressAt(issuer: string, given: unknown): URL {
  const address = new URL(String(given));
  // An open line would be anybody's; a document must not lead into the park's own network either.
  if (address.protocol !== 'https:' && address.host !== new URL(issuer).host) {
    throw new Error('The discovery document names an address that is not safe.');
  }
  return address;
}

/** The issuer's key set: as configured, else as its discovery document says, which must name this very issuer. */
export async function keySetAddress(issuer: IssuerConfig, fetching: Fetch): Promise<URL> {
  if (issuer.jwks !== null) return new URL(issuer.jwks);
  return addressAt(issuer.issuer, (await discover(issuer.issuer, fetching))['jwks_uri']);
}
