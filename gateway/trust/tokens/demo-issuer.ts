/**
 * The demo issuer: a key pair in the data folder, readable by its owner only. `isthmus token` signs with it, and the hub serves the
 * public key at /.well-known/jwks.json. Not for production: its tokens are accepted only with `auth: { demo: true }`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  SignJWT,
} from 'jose';
import { systemClock } from '../../../connectors/kit/clock.ts';
import { createKeyFile } from '../signing/key-file.ts';
import type { TrustedIssuer } from './verify-token.ts';

export const DEMO_ISSUER = 'urn:isthmus:demo';
export const DEMO_AUDIENCE = 'isthmus';

/** The token to sign. */
export interface DemoTokenRequest {
  readonly role: string;
  readonly subject?: string | undefined;
  readonly client?: string | undefined;
  readonly parks?: readonly string[] | undefined;
  readonly companies?: readonly string[] | undefined;
  readonly purpose?: string | undefined;
  /** Lifetime in seconds. */
  readonly seconds: number;
}

export interface DemoIssuer {
  readonly trusted: TrustedIssuer;
  /** The public key set, as served. */
  readonly jwks: { readonly keys: readonly JWK[] };
  /** Resolves with a signed access token. */
  sign(request: DemoTokenRequest, now?: Date): Promise<string>;
}

/** The demo issuer's key cannot be used. The message is shown to the operator. */
export class IssuerKeyError extends Error {
  override name = 'IssuerKeyError';
}

/** Path of the demo issuer's key file. */
export const demoIssuerFile = (data: string): string => join(resolve(data), 'issuer.jwk');

/** Opens the issuer of this data folder and creates its key at first use. Concurrent processes end up with the same key. */
export async function openDemoIssuer(data: string): Promise<DemoIssuer> {
  const file = demoIssuerFile(data);
  if (!existsSync(file)) {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(privateKey);
    createKeyFile(file, JSON.stringify({ ...jwk, kid: await calculateJwkThumbprint(jwk), alg: 'ES256' }));
  }
  return readIssuer(file);
}

/** Opens the issuer of this data folder; null if its key does not exist. Creates nothing. */
export async function readDemoIssuer(data: string): Promise<DemoIssuer | null> {
  const file = demoIssuerFile(data);
  return existsSync(file) ? readIssuer(file) : null;
}

/** Reads the key file. Rejects with `IssuerKeyError`. */
async function readKey(file: string): Promise<{ secret: JWK; key: Awaited<ReturnType<typeof importJWK>> }> {
  try {
    const secret = JSON.parse(readFileSync(file, 'utf8')) as JWK;
    if (!secret.d) throw new Error('no private key');
    return { secret, key: await importJWK(secret, 'ES256') };
  } catch {
    throw new IssuerKeyError(
      `Cannot read the demo issuer's key from ${file}. Check its owner and mode (0600), or delete it: the hub creates a new key at its next start, which invalidates existing demo tokens.`,
    );
  }
}

async function readIssuer(file: string): Promise<DemoIssuer> {
  const { secret, key } = await readKey(file);
  const { d: _, ...publicJwk } = secret;
  const jwks = { keys: [{ ...publicJwk, use: 'sig' }] };
  return {
    jwks,
    trusted: {
      issuer: DEMO_ISSUER,
      jwks: null,
      algorithms: ['ES256'],
      types: ['at+jwt'],
      rolesClaim: 'roles',
      roles: null,
      audience: [DEMO_AUDIENCE],
      setting: null,
      keys: createLocalJWKSet(jwks),
    },
    sign: (request, now = systemClock.now()) => {
      const at = Math.floor(now.getTime() / 1000);
      return new SignJWT({
        roles: [request.role],
        azp: request.client ?? `demo-${request.role}`,
        ...(request.parks ? { parks: request.parks } : {}),
        ...(request.companies ? { companies: request.companies } : {}),
        ...(request.purpose ? { purpose: request.purpose } : {}),
      })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: String(secret.kid) })
        .setIssuer(DEMO_ISSUER)
        .setAudience(DEMO_AUDIENCE)
        .setSubject(request.subject ?? `demo:${request.role}`)
        .setIssuedAt(at)
        .setExpirationTime(at + request.seconds)
        .sign(key);
    },
  };
}
