/**
 * Why a token is rejected. Every client gets the same message, so that a guesser learns nothing; the reason, with the setting that
 * would accept the token, goes to the operator's log. Values from a token are untrusted: they are logged shortened and quoted.
 */
import { errors } from 'jose';
import { ALGORITHMS, type IssuerConfig } from '../../../connectors/kit/config/sections/auth.ts';
import { HubError } from '../../../connectors/kit/errors.ts';
import { quoted } from './rejection-log.ts';

/** `UNAUTHENTICATED` for an invalid token. `reason` follows "Rejected token: " in the log and is never sent to a client. */
export class TokenRejectedError extends HubError {
  readonly reason: string;
  constructor(reason: string, message = "Invalid token. The reason is in the hub's log.", extensions = {}) {
    super('UNAUTHENTICATED', message, extensions);
    this.reason = reason;
  }
}

/** The checks for tokens of one issuer, as far as reasons mention them. */
export interface IssuerRules extends Pick<IssuerConfig, 'issuer' | 'algorithms' | 'types'> {
  readonly audience: readonly string[];
  /** Path of the issuer in isthmus.yaml, such as `auth.issuers[0]`; null for the demo issuer, which has no settings. */
  readonly setting: string | null;
}

/** What the operator can do, as a further sentence; empty if the issuer has no settings. */
const advice = ({ setting }: IssuerRules, text: (setting: string) => string): string =>
  setting === null ? '' : ` ${text(setting)}`;

/** Normalized as RFC 7515 section 4.1.9 compares media types: `application/` is optional, case does not matter. */
const asMediaType = (typ: string): string => (typ.includes('/') ? typ : `application/${typ}`).toLowerCase();

/** Throws if the verified token has another type than the issuer's access tokens, or is an ID token of any type. */
export function checkType(
  header: { readonly typ?: unknown },
  claims: Readonly<Record<string, unknown>>,
  issuer: IssuerRules,
): void {
  const { types } = issuer;
  const { typ } = header;
  const isExpected = typeof typ === 'string' && types.some((type) => asMediaType(type) === asMediaType(typ));
  // Only at+jwt (RFC 9068) is reserved for access tokens.
  const isAmbiguous = typeof typ !== 'string' || asMediaType(typ) !== 'application/at+jwt';
  const idTokenClaim = isAmbiguous ? findIdTokenClaim(claims) : null;
  if (idTokenClaim) {
    throw new TokenRejectedError(`not an access token, but an ID token or similar (${idTokenClaim}).`);
  }
  if (isExpected) return;
  const expected = types.join(' or ');
  if (typeof typ !== 'string') {
    throw new TokenRejectedError(
      `typ is missing in the header, expected ${expected}.${advice(issuer, (at) => `Configure the issuer to set the typ of its access tokens; the hub's setting is ${at}.type.`)}`,
    );
  }
  const accepted = /^[\w.+/-]{1,40}$/.test(typ) ? `[${[...types, typ].join(', ')}]` : 'the types of its access tokens';
  throw new TokenRejectedError(
    `typ is ${quoted(typ)}, expected ${expected}.${advice(issuer, (at) => `To accept it, set ${at}.type: ${accepted}.`)}`,
  );
}

/** OpenID Connect Core section 3.1.3.6, and the claims in which Keycloak and Cognito name the kind of a token. */
function findIdTokenClaim(claims: Readonly<Record<string, unknown>>): string | null {
  for (const name of ['at_hash', 'c_hash', 's_hash']) if (claims[name] !== undefined) return `claim ${name}`;
  if (typeof claims['typ'] === 'string' && /^(id|refresh|offline|logout)$/i.test(claims['typ'])) return 'claim typ';
  return claims['token_use'] === 'id' ? 'claim token_use' : null;
}

/** The rejection of a token whose issuer is not configured; names a configured issuer that differs in case or slashes only. */
export function unknownIssuerRejection(iss: unknown, known: Iterable<IssuerRules>): TokenRejectedError {
  if (typeof iss !== 'string') return new TokenRejectedError('claim iss is missing.');
  const normalize = (name: string): string => name.replace(/\/+$/, '').toLowerCase();
  for (const { issuer, setting } of known) {
    if (setting === null || normalize(issuer) !== normalize(iss)) continue;
    return new TokenRejectedError(
      `issuer is ${quoted(iss)}, but ${setting}.issuer is ${quoted(issuer)}; they must be identical.`,
    );
  }
  return new TokenRejectedError(
    `issuer ${quoted(iss)} is not configured. To accept it, add an entry with this issuer to auth.issuers.`,
  );
}

/** Converts an error of the verification. `header` and the claims in the error are untrusted. */
export function toTokenRejection(
  error: unknown,
  header: { readonly alg?: unknown; readonly kid?: unknown },
  issuer: IssuerRules,
): TokenRejectedError {
  if (error instanceof errors.JWTExpired) return new TokenRejectedError('expired.', 'The token has expired.');
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) {
    const { alg } = header;
    const found = `algorithm is ${quoted(alg)}, expected ${issuer.algorithms.join(' or ')}.`;
    if (issuer.algorithms.includes(alg as never)) {
      return new TokenRejectedError('its header requires an unsupported extension.');
    }
    return new TokenRejectedError(
      ALGORITHMS.includes(alg as never)
        ? `${found}${advice(issuer, (at) => `To accept it, add ${alg} to ${at}.algorithms.`)}`
        : `${found}${advice(issuer, (at) => `${at}.algorithms supports only ${ALGORITHMS.join(', ')}.`)}`,
    );
  }
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
    return new TokenRejectedError(
      `no unique key in the key set of its issuer (kid ${quoted(header.kid)}, alg ${quoted(header.alg)}).${advice(issuer, (at) => `Check ${at}.jwks.`)}`,
    );
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return new TokenRejectedError('signature does not match the key of its issuer.');
  }
  if (error instanceof errors.JWTClaimValidationFailed) return claimRejection(error, issuer);
  return new TokenRejectedError('not a signed JWT.');
}

function claimRejection(
  { claim, reason, payload }: errors.JWTClaimValidationFailed,
  issuer: IssuerRules,
): TokenRejectedError {
  if (claim === 'aud') {
    return new TokenRejectedError(
      `audience is ${quoted(payload.aud)}, expected ${issuer.audience.map(quoted).join(' or ')}. To accept it, configure that audience at the issuer, or add the token's audience to auth.audience.`,
    );
  }
  if (claim === 'nbf') return new TokenRejectedError('not valid yet (claim nbf).');
  return new TokenRejectedError(`claim ${claim} is ${reason === 'missing' ? 'missing' : 'invalid'}.`);
}
