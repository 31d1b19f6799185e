/**
 * Bearer tokens: from the header `authorization` to a principal. A token is taken when its issuer is one of isthmus.yaml, its
 * signature is by a key of that issuer's own set (never one that the token brings along), and issuer, audience, time and
 * type are what they must be. Everything else is refused in the same words, so that a guess learns nothing.
 */
import { createHash } from 'node:crypto';
import { createRemoteJWKSet, customFetch, decodeJwt, errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import type { AuthConfig, IssuerConfig } from '../../connectors/kit/auth.ts';
import { HubError } from '../../connectors/kit/errors.ts';
import type { Principal } from '../../connectors/kit/principal.ts';
import { keySetAddress, limitedFetch } from './key-set.ts';
import { principalOf } from './principal.ts';

/** An issuer and where its keys come from. */
export interface TrustedIssuer extends IssuerConfig {
  readonly audience: readonly string[];
  readonly keys: JWTVerifyGetKey;
}

export interface Tokens {
  /** Null without a token. Rejects with `HubError` when the token is not taken. */
  principal(authorization: unknown): Promise<Principal | null>;
}

/** Longer ones are not looked at. */
const LONGEST = 8_192;
/** Clocks may differ by so many seconds. */
const SKEW = 5;
/** A verified token is believed so long without verifying again: a withdrawn key stops counting after this. */
const REMEMBERED = 60_000;

const refusedToken = (why: string, retryable = false): HubError =>
  new HubError('UNAUTHENTICATED', why, retryable ? { retryable } : {});

/** The issuers of isthmus.yaml, with their key sets fetched when first needed, kept ten minutes and fetched anew for unknown keys. */
export function trustedIssuers(auth: AuthConfig): TrustedIssuer[] {
  return auth.issuers.map((one) => ({ ...one, audience: auth.audience, keys: remoteKeys(one) }));
}

/** One issuer's keys. Unknown key ids lead to one fetch in thirty seconds at most, a failing issuer is asked once in five. */
function remoteKeys(issuer: IssuerConfig): JWTVerifyGetKey {
  const fetching = limitedFetch();
  let set: Promise<JWTVerifyGetKey> | null = null;
  return async (header, token) => {
    set ??= keySetAddress(issuer, fetching).then((address) =>
      createRemoteJWKSet(address, {
        timeoutDuration: 3_000,
        cooldownDuration: 30_000,
        cacheMaxAge: 600_000,
        [customFetch]: fetching as never,
      }),
    );
    try {
      return await (await set)(header, token);
    } catch (error) {
      if (!(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout) {
        set = error instanceof errors.JWKSTimeout ? set : null;
        throw refusedToken('The keys of the token’s issuer cannot be had at the moment.', true);
      }
      throw error;
    }
  };
}

export function makeTokens(issuers: readonly TrustedIssuer[], now: () => Date = () => new Date()): Tokens {
  const byName = new Map(issuers.map((one) => [one.issuer, one]));
  const known = new LRUCache<string, { principal: Principal; until: number }>({ max: 2_000 });

  async function verified(token: string): Promise<Principal> {
    let issuer: TrustedIssuer | undefined;
    try {
      issuer = byName.get(String(decodeJwt(token).iss));
    } catch {
      throw refusedToken('The token is none that this hub takes.');
    }
    if (!issuer) throw refusedToken('The token is none that this hub takes.');
    try {
      const { payload } = await jwtVerify(token, issuer.keys, {
        algorithms: [...issuer.algorithms],
        issuer: issuer.issuer,
        audience: [...issuer.audience],
        typ: issuer.type,
        requiredClaims: ['exp', 'iat', 'sub'],
        clockTolerance: SKEW,
        currentDate: now(),
      });
      if (typeof payload.iat === 'number' && payload.iat > now().getTime() / 1000 + SKEW) {
        throw refusedToken('The token is not valid yet.');
      }
      if (typeof payload.sub !== 'string' || payload.sub === '') throw refusedToken('The token names nobody.');
      return principalOf(payload, issuer);
    } catch (error) {
      if (error instanceof HubError) throw error;
      if (error instanceof errors.JWTExpired) throw refusedToken('The token has expired.');
      throw refusedToken('The token is none that this hub takes.');
    }
  }

  return {
    principal: async (authorization) => {
      if (authorization === undefined) return null;
      if (typeof authorization !== 'string')
        throw refusedToken('The authorization must be text: "Bearer" and a signed token.');
      const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization)?.[1];
      if (token === undefined || token.length > LONGEST) {
        throw refusedToken('The authorization must be "Bearer" and a signed token.');
      }
      const mark = createHash('sha256').update(token).digest('base64url');
      const before = known.get(mark);
      const at = now().getTime();
      if (before && before.until > at) return before.principal;
      const principal = await verified(token);
      const until = Math.min(principal.expires ?? Number.POSITIVE_INFINITY, at + REMEMBERED);
      known.set(mark, { principal, until });
      return principal;
    },
  };
}
