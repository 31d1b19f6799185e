/**
 * Why a token is refused: one sentence for every client, so that a guess learns nothing, and for the operator's log the reason and the
 * setting that would accept it. Values out of a token are a stranger's: only shortened and quoted ones are written.
 */
import { errors } from 'jose';
import { ALGORITHMS, type IssuerConfig } from '../../../connectors/kit/config/sections/auth.ts';
import { HubError } from '../../../connectors/kit/errors.ts';
import { quoted } from './rejection-log.ts';

/** A refusal with its reason for the log, which no client sees. */
export class TokenRefused extends HubError {
  readonly reason: string;
  constructor(reason: string, message = 'The token is not valid for this hub.', extensions = {}) {
    super('UNAUTHENTICATED', message, extensions);
    this.reason = reason;
  }
}

/** What the reasons name of an issuer. */
export interface Accepted extends Pick<IssuerConfig, 'issuer' | 'algorithms' | 'types'> {
  readonly audience: readonly string[];
  /** Where it stands in isthmus.yaml, such as `auth.issuers[0]`; null: the demo's own issuer, of which nothing can be set. */
  readonly setting: string | null;
}

/** What the operator may change, after a sentence; nothing where nothing can be changed. */
const advice = ({ setting }: Accepted, say: (setting: string) => string): string =>
  setting === null ? '' : ` ${say(setting)}`;

/** As RFC 7515 section 4.1.9 compares media types: `application/` may be left out, case says nothing. */
const asMediaType = (typ: string): string => (typ.includes('/') ? typ : `application/${typ}`).toLowerCase();

/** Refuses a token of another type; what an ID token carries is refused under any type. Called for verified tokens only. */
export function checkType(
  header: { readonly typ?: unknown },
  claims: Readonly<Record<string, unknown>>,
  issuer: Accepted,
): void {
  const { types } = issuer;
  const { typ } = header;
  const known = typeof typ === 'string' && types.some((one) => asMediaType(one) === asMediaType(typ));
  const plain = typeof typ !== 'string' || asMediaType(typ) !== 'application/at+jwt';
  const idToken = plain ? idTokenMark(claims) : null;
  if (idToken) {
    throw new TokenRefused(`it is no access token but an ID token or the like (${idToken}). Send the access token.`);
  }
  if (known) return;
  const expected = types.join(' or ');
  if (typeof typ !== 'string') {
    throw new TokenRefused(
      `its header names no typ, expected ${expected}.${advice(issuer, (at) => `Let the issuer name the type of its access tokens; the setting is ${at}.type.`)}`,
    );
  }
  const set = /^[\w.+/-]{1,40}$/.test(typ) ? `[${[...types, typ].join(', ')}]` : 'the types of its access tokens';
  throw new TokenRefused(
    `its typ is ${quoted(typ)}, expected ${expected}.${advice(issuer, (at) => `To accept it, set ${at}.type: ${set}.`)}`,
  );
}

/** OpenID Connect Core section 3.1.3.6, and the words of Keycloak and Cognito for the kind of a token. */
function idTokenMark(claims: Readonly<Record<string, unknown>>): string | null {
  for (const name of ['at_hash', 'c_hash', 's_hash']) if (claims[name] !== undefined) return `claim ${name}`;
  if (typeof claims['typ'] === 'string' && /^(id|refresh|offline|logout)$/i.test(claims['typ'])) return 'claim typ';
  return claims['token_use'] === 'id' ? 'claim token_use' : null;
}

/** The issuer of the token is none of the configured ones. */
export function unknownIssuer(iss: unknown, known: Iterable<Accepted>): TokenRefused {
  if (typeof iss !== 'string') return new TokenRefused('it names no issuer (claim iss).');
  const bare = (name: string): string => name.replace(/\/+$/, '').toLowerCase();
  for (const { issuer, setting } of known) {
    if (setting === null || bare(issuer) !== bare(iss)) continue;
    return new TokenRefused(
      `its issuer is ${quoted(iss)} and ${setting}.issuer is ${quoted(issuer)}: they must be equal to the letter.`,
    );
  }
  return new TokenRefused(
    `its issuer ${quoted(iss)} is none of auth.issuers. To accept it, add it to auth.issuers as issuer.`,
  );
}

/** The refusal for what verification says; `header` and the claims in the error are not to be believed. */
export function refusalFor(error: unknown, header: { readonly alg?: unknown; readonly kid?: unknown }, one: Accepted) {
  if (error instanceof errors.JWTExpired) return new TokenRefused('it has expired.', 'The token has expired.');
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) {
    const { alg } = header;
    const found = `its algorithm is ${quoted(alg)}, expected ${one.algorithms.join(' or ')}.`;
    if (one.algorithms.includes(alg as never)) return new TokenRefused('its header asks for what is not supported.');
    return new TokenRefused(
      ALGORITHMS.includes(alg as never)
        ? `${found}${advice(one, (at) => `To accept it, add ${alg} to ${at}.algorithms.`)}`
        : `${found}${advice(one, (at) => `${at}.algorithms takes no others than ${ALGORITHMS.join(', ')}.`)}`,
    );
  }
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
    return new TokenRefused(
      `the key set of its issuer has no one key for it (kid ${quoted(header.kid)}, alg ${quoted(header.alg)}).${advice(one, (at) => `The setting is ${at}.jwks.`)}`,
    );
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return new TokenRefused('its signature is not by a key of its issuer.');
  }
  if (error instanceof errors.JWTClaimValidationFailed) return ofClaim(error, one);
  return new TokenRefused('it is no signed JWT that can be read.');
}

function ofClaim({ claim, reason, payload }: errors.JWTClaimValidationFailed, one: Accepted): TokenRefused {
  if (claim === 'aud') {
    return new TokenRefused(
      `its audience is ${quoted(payload.aud)}, expected ${one.audience.map(quoted).join(' or ')}. To accept it, let the issuer name that audience, or add its own to auth.audience.`,
    );
  }
  if (claim === 'nbf') return new TokenRefused('it is not valid yet (claim nbf).');
  return new TokenRefused(`its claim ${claim} is ${reason === 'missing' ? 'missing' : 'not what it must be'}.`);
}
