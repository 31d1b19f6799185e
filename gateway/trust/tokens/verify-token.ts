/**
 * Bearer tokens: from the header `authorization` to a principal. A token is taken when its issuer is one of isthmus.yaml, its
 * signature is by a key of that issuer's own set (never one that the token brings along), and issuer, audience, time and
 * type are what they must be. Everything else is refused in the same words, so that a guess learns nothing; the log has the reason.
 */
import { createHash } from 'node:crypto';
import {
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JWTVerifyGetKey,
  jwtVerify,
  type ProtectedHeaderParameters,
} from 'jose';
import { LRUCache } from 'lru-cache';
import type { Principal } from '../../../connectors/kit/auth/principal.ts';
import { ROLE_NAMES } from '../../../connectors/kit/auth/roles.ts';
import { systemClock } from '../../../connectors/kit/clock.ts';
import type { AuthConfig, IssuerConfig } from '../../../connectors/kit/config/sections/auth.ts';
import type { Clock } from '../../../connectors/kit/connector.ts';
import { HubError } from '../../../connectors/kit/errors.ts';
import type { Log } from '../../../connectors/kit/log.ts';
import { credentialOf, type Shown } from './credential.ts';
import { keySetAddress, limitedFetch } from './issuer-keys.ts';
import { quoted, RefusalLog } from './rejection-log.ts';
import { principalOf, rolesOf } from './token-principal.ts';
import { type Accepted, checkType, refusalFor, TokenRefused, unknownIssuer } from './token-rejection.ts';

/** An issuer and where its keys come from. */
export interface TrustedIssuer extends IssuerConfig, Accepted {
  readonly keys: JWTVerifyGetKey;
}

export interface Tokens {
  /** Who asks by this request, and by the `connectionParams` of its socket. Null without a credential; rejects with `HubError` for one that is not taken. */
  caller(request: Shown, params?: unknown): Promise<Principal | null>;
  /** The same of the text that the header `authorization` holds; null: it is absent. */
  principal(authorization: string | undefined): Promise<Principal | null>;
}

/** Longer ones are not looked at. */
const LONGEST = 8_192;
/** Clocks may differ by so many seconds. */
const SKEW = 5;
/** A verified token is believed so long without verifying again: a withdrawn key stops counting after this. */
const REMEMBERED = 60_000;
/** A wall clock that moves by more between two tokens was set, in milliseconds. */
const CLOCK_SET = 5_000;

/** The issuers of isthmus.yaml, with their key sets fetched when first needed, kept ten minutes and fetched anew for unknown keys. */
export function trustedIssuers(auth: AuthConfig): TrustedIssuer[] {
  return auth.issuers.map((one, i) => ({
    ...one,
    audience: auth.audience,
    keys: remoteKeys(one),
    setting: `auth.issuers[${i}]`,
  }));
}

/** One issuer's keys. Unknown key ids lead to one fetch in thirty seconds at most, a failing issuer is asked once in five. */
function remoteKeys(issuer: IssuerConfig): JWTVerifyGetKey {
  const fetching = limitedFetch();
  let set: Promise<JWTVerifyGetKey> | null = null;
  let beyond = wallBeyond();
  return async (header, token) => {
    // The library counts its pauses by the wall clock: when that is set, the keys are fetched anew.
    const before = beyond;
    beyond = wallBeyond();
    if (Math.abs(beyond - before) > CLOCK_SET) set = null;
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
        throw new TokenRefused(
          `the keys of its issuer ${quoted(issuer.issuer)} cannot be had at the moment.`,
          'The keys of the token’s issuer cannot be had at the moment.',
          { retryable: true },
        );
      }
      throw error;
    }
  };
}

/** What the wall clock shows beyond what has passed in this process, in milliseconds. */
const wallBeyond = (): number => systemClock.now().getTime() - systemClock.monotonic();

/** @param log gets at info why a token or credential was refused, without the token */
export function makeTokens(
  issuers: readonly TrustedIssuer[],
  { clock = systemClock, log }: { readonly clock?: Clock; readonly log?: Log } = {},
): Tokens {
  const byName = new Map(issuers.map((one) => [one.issuer, one]));
  /** `until`: by the clock's `monotonic()`. */
  const known = new LRUCache<string, { principal: Principal; until: number }>({ max: 2_000 });
  const refusals = new RefusalLog(log);

  async function verified(token: string, mark: string): Promise<Principal> {
    let header: ProtectedHeaderParameters;
    let iss: unknown;
    try {
      header = decodeProtectedHeader(token);
      ({ iss } = decodeJwt(token));
    } catch {
      throw new TokenRefused('it is no signed JWT that can be read.');
    }
    const issuer = typeof iss === 'string' ? byName.get(iss) : undefined;
    if (!issuer) throw unknownIssuer(iss, issuers);
    try {
      const { payload, protectedHeader } = await jwtVerify(token, issuer.keys, {
        algorithms: [...issuer.algorithms],
        issuer: issuer.issuer,
        audience: [...issuer.audience],
        requiredClaims: ['exp', 'iat', 'sub'],
        clockTolerance: SKEW,
        currentDate: clock.now(),
      });
      checkType(protectedHeader, payload, issuer);
      if (typeof payload.iat === 'number' && payload.iat > clock.now().getTime() / 1000 + SKEW) {
        throw new TokenRefused('it is not valid yet (claim iat).');
      }
      if (typeof payload.sub !== 'string' || payload.sub === '') throw new TokenRefused('it names nobody (claim sub).');
      const principal = principalOf(payload, issuer);
      if (principal.roles.length === 0) refusals.write(mark, roleless(rolesOf(payload, issuer), issuer));
      return principal;
    } catch (error) {
      throw error instanceof HubError ? error : refusalFor(error, header, issuer);
    }
  }

  const principal = async (authorization: string | undefined): Promise<Principal | null> => {
    if (authorization === undefined) return null;
    const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization)?.[1];
    const mark = createHash('sha256')
      .update(token ?? authorization)
      .digest('base64url');
    if (token === undefined || token.length > LONGEST) {
      refusals.write(mark, `Refused a credential: ${faultOf(authorization)}.`);
      throw new HubError('UNAUTHENTICATED', 'The authorization must be "Bearer <token>", a signed token.');
    }
    const before = known.get(mark);
    const at = clock.monotonic();
    // How long it is believed is a span; when the token itself ends, the wall clock says.
    const ended = (before?.principal.expires ?? Number.POSITIVE_INFINITY) <= clock.now().getTime();
    if (before && before.until > at && !ended) return before.principal;
    try {
      const made = await verified(token, mark);
      known.set(mark, { principal: made, until: at + REMEMBERED });
      return made;
    } catch (error) {
      if (error instanceof TokenRefused) refusals.write(mark, `Refused a token: ${error.reason}`);
      throw error;
    }
  };

  return {
    principal,
    caller: async (request, params) => {
      let credential: string | undefined;
      try {
        credential = credentialOf(request, params);
      } catch (error) {
        if (error instanceof HubError) refusals.write(error.message, `Refused a credential: ${error.message}`);
        throw error;
      }
      return principal(credential);
    },
  };
}

/** Schemes that clients send; an unknown first word may be a secret itself. */
const SCHEMES = /^(basic|digest|token|apikey|jwt|dpop|negotiate|ntlm|hoba|mutual|aws4-hmac-sha256|key|oauth|mac)( |$)/i;

/** What is wrong with an authorization that is no bearer token, without any of it. */
function faultOf(authorization: string): string {
  const scheme = SCHEMES.exec(authorization)?.[1];
  if (scheme) return `its scheme is ${quoted(scheme)}, expected Bearer`;
  if (!/^Bearer( |$)/i.test(authorization)) return 'it has no scheme that is known, expected Bearer and a signed token';
  if (authorization.length > LONGEST) return `it is longer than ${LONGEST} characters`;
  return 'what follows Bearer is no signed JWT';
}

const roleless = (named: readonly string[], { setting, rolesClaim }: TrustedIssuer): string => {
  const found =
    named.length === 0
      ? `its claim ${quoted(rolesClaim)} names none`
      : `its claim ${quoted(rolesClaim)} names ${named.slice(0, 5).map(quoted).join(', ')}`;
  return `A token holds no role of this hub and may read nothing that needs a right: ${found}.${setting === null ? '' : ` Name the claim in ${setting}.rolesClaim, or map its words to ${ROLE_NAMES.join(', ')} in ${setting}.roles.`}`;
};
