/**
 * The hub's signing key: Ed25519, in a file that only the hub's user may read, never in the database. The id is the
 * key's thumbprint (RFC 7638), so that nobody can pass one key off as another.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** A public key as it is published: JSON Web Key of an Ed25519 key (RFC 8037). */
export interface PublicJwk {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
  readonly kid: string;
  readonly use: 'sig';
  readonly alg: 'EdDSA';
}

/** A key pair, ready to sign. */
export interface SigningKey {
  /** Thumbprint, base64url. */
  readonly id: string;
  readonly publicJwk: PublicJwk;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  /** Signature over the text's bytes, base64url. */
  sign(text: string): string;
}

/** The key cannot be used; the message is a sentence for people. */
export class SigningKeyError extends Error {
  override name = 'SigningKeyError';
}

/** Thumbprint of an Ed25519 public key: SHA-256 of its required members in lexical order. */
const thumbprint = (x: string): string =>
  createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url');

function jwkOf(key: KeyObject): PublicJwk {
  const { x } = key.export({ format: 'jwk' }) as { x: string };
  return { kty: 'OKP', crv: 'Ed25519', x, kid: thumbprint(x), use: 'sig', alg: 'EdDSA' };
}

/** From a PEM (PKCS 8) text. */
export function signingKey(pem: string): SigningKey {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch {
    throw new SigningKeyError(
      'The signing key is not a private key in PEM (PKCS 8); make one by: openssl genpkey -algorithm ed25519',
    );
  }
  if (privateKey.asymmetricKeyType !== 'ed25519') {
    throw new SigningKeyError(
      `The signing key must be Ed25519, found ${privateKey.asymmetricKeyType ?? 'another kind'}; make one by: openssl genpkey -algorithm ed25519`,
    );
  }
  const publicKey = createPublicKey(privateKey);
  const publicJwk = jwkOf(publicKey);
  return {
    id: publicJwk.kid,
    publicJwk,
    publicKey,
    privateKey,
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString('base64url'),
  };
}

/** A key that is kept nowhere: for tests and measurements. */
export const newSigningKey = (): SigningKey =>
  signingKey(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);

/** Reads the file, or makes it (mode 0600) when there is none. Several processes may call it at once: the first one's key stays. */
export function loadSigningKey(file: string): SigningKey {
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true });
    const own = `${file}.${process.pid}`;
    const made = newSigningKey();
    writeFileSync(own, made.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    chmodSync(own, 0o600);
    try {
      linkSync(own, file);
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') throw error;
    } finally {
      rmSync(own, { force: true });
    }
  }
  return readSigningKey(file);
}

/** Reads the file. Throws `SigningKeyError` naming it when it does not exist, cannot be read or is no such key. */
export function readSigningKey(file: string): SigningKey {
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch {
    throw new SigningKeyError(
      `The signing key ${file} cannot be read; check that it is a file, its owner and mode (0600).`,
    );
  }
  try {
    return signingKey(pem);
  } catch (error) {
    if (error instanceof SigningKeyError) error.message += ` (${file})`;
    throw error;
  }
}

/** The key of a published JWK; null when it is none, or when its id is not its thumbprint. */
export function publicKeyOf(jwk: unknown): { id: string; key: KeyObject } | null {
  const { kty, crv, x, kid } = (jwk ?? {}) as Record<string, unknown>;
  if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string' || kid !== thumbprint(x)) return null;
  try {
    return { id: kid, key: createPublicKey({ key: { kty, crv, x }, format: 'jwk' }) };
  } catch {
    return null;
  }
}

/** False for anything that is not exactly what the key's holder wrote, other spellings of the same signature included. */
export function verifySignature(key: KeyObject, text: string, signature: string): boolean {
  const bytes = Buffer.from(signature, 'base64url');
  return (
    bytes.length === 64 && bytes.toString('base64url') === signature && verify(null, Buffer.from(text), key, bytes)
  );
}
