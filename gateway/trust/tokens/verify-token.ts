/**
 * Verifies bearer tokens: from the `authorization` to a principal. A token is accepted if its issuer is configured, its signature is by
 * a key of that issuer's own key set (never by a key in the token), and issuer, audience, times and type match. Every other token is
 * rejected with the same message, so that a guesser learns nothing; the reason is logged.
 */
import { createHash } from 'node:crypto';
import {
  decodeJwt,
  decodeProtectedHeader,
  type JWTVerifyGetKey,
  jwtVerify,
  type ProtectedHeaderParameters,
} from 'jose';
import { LRUCache } from 'lru-cache';
import type { Principal } from '../../../connectors/kit/auth/principal.ts';
import { type Clock, systemClock } from '../../../connectors/kit/clock.ts';
import type { AuthConfig, IssuerConfig } from '../../../connectors/kit/config/sections/auth.ts';
import { HubError } from '../../../connectors/kit/errors.ts';
import type { Log } from '../../../connectors/kit/log.ts';
import { findCredential, type RequestHead } from './credential.ts';
import { createRemoteKeys } from './issuer-keys.ts';
import { quoted, RejectionLog } from './rejection-log.ts';
import { noRoleMessage, principalOf, rolesOf } from './token-principal.ts';
import {
  checkType,
  type IssuerRules,
  TokenRejectedError,
  toTokenRejection,
  unknownIssuerRejection,
} from './token-rejection.ts';

/** A configured issuer with its keys. */
export interface TrustedIssuer extends IssuerConfig, IssuerRules {
  readonly keys: JWTVerifyGetKey;
}

export interface TokenVerifier {
  /**
   * Resolves with the caller of a request or, with `params`, of a WebSocket's `connectionParams`; null without a credential.
   * Rejects with `HubError` (`UNAUTHENTICATED`) for an invalid one.
   */
  authenticate(request: RequestHead, params?: unknown): Promise<Principal | null>;
  /** The same for the value of the header `authorization`; resolves with null if it is undefined. */
  verifyAuthorization(authorization: string | undefined): Promise<Principal | null>;
}

/** Characters; a longer one is not parsed. */
const MAX_TOKEN_LENGTH = 8_192;
/** Seconds by which the clocks of issuer and hub may differ. */
const CLOCK_TOLERANCE = 5;
/** Milliseconds for which a verified token is not verified again; a key that was removed stops counting after this. */
const CACHE_DURATION = 60_000;
/** The configured issuers. Their key sets are fetched when first needed, cached for 10 minutes and fetched again for unknown keys. */
export function trustedIssuers(auth: AuthConfig): TrustedIssuer[] {
  return auth.issuers.map((issuer, i) => ({
    ...issuer,
    audience: auth.audience,
    keys: createRemoteKeys(issuer),
    setting: `auth.issuers[${i}]`,
  }));
}

/** @param log gets at info why a token or credential was rejected, without the token itself */
export function createTokenVerifier(
  issuers: readonly TrustedIssuer[],
  { clock = systemClock, log }: { readonly clock?: Clock; readonly log?: Log } = {},
): TokenVerifier {
  const byName = new Map(issuers.map((issuer) => [issuer.issuer, issuer]));
  /** By digest of the token. `until`: by the clock's `monotonic()`. */
  const cache = new LRUCache<string, { principal: Principal; until: number }>({ max: 2_000 });
  const rejections = new RejectionLog(log);

  async function verifyToken(token: string, digest: string): Promise<Principal> {
    let header: ProtectedHeaderParameters;
    let iss: unknown;
    try {
      header = decodeProtectedHeader(token);
      ({ iss } = decodeJwt(token));
    } catch {
      throw new TokenRejectedError('not a signed JWT.');
    }
    const issuer = typeof iss === 'string' ? byName.get(iss) : undefined;
    if (!issuer) throw unknownIssuerRejection(iss, issuers);
    try {
      const { payload, protectedHeader } = await jwtVerify(token, issuer.keys, {
        algorithms: [...issuer.algorithms],
        issuer: issuer.issuer,
        audience: [...issuer.audience],
        requiredClaims: ['exp', 'iat', 'sub'],
        clockTolerance: CLOCK_TOLERANCE,
        currentDate: clock.now(),
      });
      checkType(protectedHeader, payload, issuer);
      if (typeof payload.iat === 'number' && payload.iat > clock.now().getTime() / 1000 + CLOCK_TOLERANCE) {
        throw new TokenRejectedError('issued in the future (claim iat).');
      }
      if (typeof payload.sub !== 'string' || payload.sub === '') throw new TokenRejectedError('claim sub is empty.');
      const principal = principalOf(payload, issuer);
      if (principal.roles.length === 0) rejections.write(digest, noRoleMessage(rolesOf(payload, issuer), issuer));
      return principal;
    } catch (error) {
      throw error instanceof HubError ? error : toTokenRejection(error, header, issuer);
    }
  }

  const verifyAuthorization = async (authorization: string | undefined): Promise<Principal | null> => {
    if (authorization === undefined) return null;
    const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization)?.[1];
    const digest = createHash('sha256')
      .update(token ?? authorization)
      .digest('base64url');
    if (token === undefined || token.length > MAX_TOKEN_LENGTH) {
      rejections.write(digest, `Rejected credential: ${describeCredential(authorization)}.`);
      throw new HubError('UNAUTHENTICATED', 'Invalid authorization: expected "Bearer <token>" with a signed JWT.');
    }
    const cached = cache.get(digest);
    const now = clock.monotonic();
    // The cache time is a duration; the token's expiry is a moment of the wall clock.
    const hasExpired = (cached?.principal.expires ?? Number.POSITIVE_INFINITY) <= clock.now().getTime();
    if (cached && cached.until > now && !hasExpired) return cached.principal;
    try {
      const principal = await verifyToken(token, digest);
      cache.set(digest, { principal, until: now + CACHE_DURATION });
      return principal;
    } catch (error) {
      if (error instanceof TokenRejectedError) rejections.write(digest, `Rejected token: ${error.reason}`);
      throw error;
    }
  };

  return {
    verifyAuthorization,
    authenticate: async (request, params) => {
      let credential: string | undefined;
      try {
        credential = findCredential(request, params);
      } catch (error) {
        if (error instanceof HubError) rejections.write(error.message, `Rejected credential: ${error.message}`);
        throw error;
      }
      return verifyAuthorization(credential);
    },
  };
}

/** Known authorization schemes; an unknown first word may itself be a secret and is not logged. */
const SCHEMES = /^(basic|digest|token|apikey|jwt|dpop|negotiate|ntlm|hoba|mutual|aws4-hmac-sha256|key|oauth|mac)( |$)/i;

/** Why an authorization is not a bearer token, without quoting any of it. */
function describeCredential(authorization: string): string {
  const scheme = SCHEMES.exec(authorization)?.[1];
  if (scheme) return `scheme is ${quoted(scheme)}, expected Bearer`;
  if (!/^Bearer( |$)/i.test(authorization)) return 'unknown scheme, expected Bearer';
  if (authorization.length > MAX_TOKEN_LENGTH) return `longer than ${MAX_TOKEN_LENGTH} characters`;
  return 'no signed JWT after Bearer';
}
