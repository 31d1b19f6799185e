/** Fetches an issuer's keys: only from the configured issuer, without redirects, limited in size, with a pause after a failure. */
import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';
import { systemClock } from '../../../connectors/kit/clock.ts';
import type { IssuerConfig } from '../../../connectors/kit/config/sections/auth.ts';
import { quoted } from './rejection-log.ts';
import { TokenRejectedError } from './token-rejection.ts';

export type Fetch = (url: string, options: Readonly<Record<string, unknown>>) => Promise<Response>;

const MAX_RESPONSE_BYTES = 256 * 1024;
/** Milliseconds after a failure in which further requests fail at once. */
const FAILURE_PAUSE = 5_000;
/** Milliseconds. */
const TIMEOUT = 3_000;

/** Milliseconds. If the wall clock moves by more between two tokens, it was set. */
const CLOCK_JUMP = 5_000;

/** A `fetch` that follows no redirects, reads at most 256 KiB, has a timeout of 3 s, and fails at once for 5 s after a failure. */
export function limitedFetch(fetching: Fetch = fetch as Fetch): Fetch {
  let failed = Number.NEGATIVE_INFINITY;
  return async (url, options) => {
    if (systemClock.monotonic() - failed < FAILURE_PAUSE)
      throw new Error('The last request to the issuer failed less than 5 s ago.');
    try {
      const response = await fetching(url, {
        ...options,
        redirect: 'error',
        signal: options['signal'] ?? AbortSignal.timeout(TIMEOUT),
      });
      if (!response.ok) throw new Error(`The issuer responded with status ${response.status}.`);
      return new Response(await readLimited(response), {
        status: 200,
        headers: { 'content-type': 'application/json' },
      });
    } catch (error) {
      failed = systemClock.monotonic();
      throw error;
    }
  };
}

async function readLimited(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += (part as Uint8Array).length;
    if (size > MAX_RESPONSE_BYTES)
      throw new Error(`The response of the issuer is too large: at most ${MAX_RESPONSE_BYTES} bytes.`);
    parts.push(part as Uint8Array);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Fetches the issuer's discovery document (OpenID Connect Discovery). Rejects if it is unavailable or of another issuer. */
export async function fetchDiscovery(issuer: string, fetching: Fetch): Promise<Readonly<Record<string, unknown>>> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const document = (await (await fetching(url, {})).json()) as Readonly<Record<string, unknown>>;
  if (document['issuer'] !== issuer) throw new Error('The discovery document belongs to another issuer.');
  return document;
}

/** Parses a URL from a discovery document. Throws unless it uses https or has the issuer's own host. */
export function checkDiscoveredUrl(issuer: string, value: unknown): URL {
  const address = new URL(String(value));
  // Plain http can be intercepted, and a document must not direct requests into the park's own network.
  if (address.protocol !== 'https:' && address.host !== new URL(issuer).host) {
    throw new Error('The discovery document contains an unsafe URL.');
  }
  return address;
}

/** The URL of the issuer's key set: the configured one, else that of its discovery document. */
export async function findKeySetUrl(issuer: IssuerConfig, fetching: Fetch): Promise<URL> {
  if (issuer.jwks !== null) return new URL(issuer.jwks);
  return checkDiscoveredUrl(issuer.issuer, (await fetchDiscovery(issuer.issuer, fetching))['jwks_uri']);
}

/** The keys of one issuer. Unknown key ids cause at most one fetch in 30 s; a failing issuer is requested at most once in 5 s. */
export function createRemoteKeys(issuer: IssuerConfig): JWTVerifyGetKey {
  const fetching = limitedFetch();
  let keySet: Promise<JWTVerifyGetKey> | null = null;
  let offset = wallClockOffset();
  return async (header, token) => {
    // jose measures its pauses with the wall clock: after the clock was set, the keys are fetched again.
    const lastOffset = offset;
    offset = wallClockOffset();
    if (Math.abs(offset - lastOffset) > CLOCK_JUMP) keySet = null;
    keySet ??= findKeySetUrl(issuer, fetching).then((address) =>
      createRemoteJWKSet(address, {
        timeoutDuration: 3_000,
        cooldownDuration: 30_000,
        cacheMaxAge: 600_000,
        [customFetch]: fetching as never,
      }),
    );
    try {
      return await (await keySet)(header, token);
    } catch (error) {
      if (!(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout) {
        keySet = error instanceof errors.JWKSTimeout ? keySet : null;
        throw new TokenRejectedError(
          `the keys of its issuer ${quoted(issuer.issuer)} are unavailable.`,
          'Cannot verify the token: the keys of its issuer are unavailable. Retry later.',
          { retryable: true },
        );
      }
      throw error;
    }
  };
}

/** Difference of wall clock and monotonic clock in milliseconds; it changes only when the wall clock is set. */
const wallClockOffset = (): number => systemClock.now().getTime() - systemClock.monotonic();
