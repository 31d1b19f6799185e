/**
 * The hub's signing key: Ed25519, in a file that only the hub's user may read, never in the database. Its id is the thumbprint
 * (RFC 7638), so that an id cannot be claimed for another key.
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
import { existsSync, readFileSync } from 'node:fs';
import { createKeyFile } from './key-file.ts';

/** A published public key: JSON Web Key of an Ed25519 key (RFC 8037). */
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
  /** Returns the signature over the text in UTF-8, as base64url. */
  sign(text: string): string;
}

/** The signing key or its files cannot be used. The message is shown to the operator. */
export class SigningKeyError extends Error {
  override name = 'SigningKeyError';
}

/** RFC 7638 thumbprint of an Ed25519 public key: SHA-256 of its required members in lexical order. */
const thumbprint = (x: string): string =>
  createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url');

function jwkOf(key: KeyObject): PublicJwk {
  const { x } = key.export({ format: 'jwk' }) as { x: string };
  return { kty: 'OKP', crv: 'Ed25519', x, kid: thumbprint(x), use: 'sig', alg: 'EdDSA' };
}

/** Parses a private key in PEM (PKCS 8). Throws `SigningKeyError`. */
export function parseSigningKey(pem: string): SigningKey {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch {
    throw new SigningKeyError(
      'The signing key is not a private key in PEM (PKCS 8). Create one: openssl genpkey -algorithm ed25519',
    );
  }
  if (privateKey.asymmetricKeyType !== 'ed25519') {
    throw new SigningKeyError(
      `The signing key must be Ed25519, found ${privateKey.asymmetricKeyType ?? 'another type'}. Create one: openssl genpkey -algorithm ed25519`,
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

/** Generates a key without storing it. */
export const generateSigningKey = (): SigningKey =>
  parseSigningKey(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);

/** Reads the key file, or creates it (mode 0600). If several processes create it at once, all use the first key. */
export function loadOrCreateSigningKey(file: string): SigningKey {
  if (!existsSync(file)) {
    const key = generateSigningKey();
    createKeyFile(file, key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  }
  return readSigningKey(file);
}

/** Reads the key file. Throws `SigningKeyError` with its path if it is missing, unreadable or not an Ed25519 key. */
export function readSigningKey(file: string): SigningKey {
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch {
    throw new SigningKeyError(
      `Cannot read the signing key ${file}. Check that it is a file, its owner and its mode (0600).`,
    );
  }
  try {
    return parseSigningKey(pem);
  } catch (error) {
    if (error instanceof SigningKeyError) error.message += ` (${file})`;
    throw error;
  }
}

/** The key of a published JWK; null if it is not an Ed25519 key or its id is not its thumbprint. */
export function publicKeyOf(jwk: unknown): { id: string; key: KeyObject } | null {
  const { kty, crv, x, kid } = (jwk ?? {}) as Record<string, unknown>;
  if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string' || kid !== thumbprint(x)) return null;
  try {
    return { id: kid, key: createPublicKey({ key: { kty, crv, x }, format: 'jwk' }) };
  } catch {
    return null;
  }
}

/** Whether the signature is valid and in canonical base64url; other encodings of the same signature are rejected. */
export function verifySignature(key: KeyObject, text: string, signature: string): boolean {
  const bytes = Buffer.from(signature, 'base64url');
  return (
    bytes.length === 64 && bytes.toString('base64url') === signature && verify(null, Buffer.from(text), key, bytes)
  );
}
