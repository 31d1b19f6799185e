/**
 * The demo's own issuer: a key pair in the data folder, readable by its owner only; `isthmus token` signs with it and the hub serves
 * its public half at /.well-known/jwks.json. Not for production: isthmus.yaml says `auth: { demo: true }` or it is not taken.
 */
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
import type { TrustedIssuer } from './verify-token.ts';

export const DEMO_ISSUER = 'urn:isthmus:demo';
export const DEMO_AUDIENCE = 'isthmus';

export interface TokenWish {
  readonly role: string;
  readonly subject?: string | undefined;
  readonly client?: string | undefined;
  readonly parks?: readonly string[] | undefined;
  readonly companies?: readonly string[] | undefined;
  readonly purpose?: string | undefined;
  /** Seconds that it is valid. */
  readonly seconds: number;
}

export interface DemoIssuer {
  readonly trusted: TrustedIssuer;
  /** The public key set, as served. */
  readonly jwks: { readonly keys: readonly JWK[] };
  sign(wish: TokenWish, now?: Date): Promise<string>;
}

/** The demo issuer's key cannot be used; the message is a sentence for people. */
export class IssuerKeyError extends Error {
  override name = 'SigningKeyError';
}

/** File of the demo issuer's key. */
export const issuerFile = (data: string): string => join(resolve(data), 'issuer.jwk');

/** Opens the issuer of this data folder; makes its key at first use. Two processes at once end with the same key. */
export async function openDemoIssuer(data: string): Promise<DemoIssuer> {
  const file = issuerFile(data);
  if (!existsSync(file)) {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(privateKey);
    mkdirSync(resolve(data), { recursive: true });
    const draft = `${file}.${process.pid}`;
    writeFileSync(draft, JSON.stringify({ ...jwk, kid: await calculateJwkThumbprint(jwk), alg: 'ES256' }), {
      mode: 0o600,
    });
    chmodSync(draft, 0o600);
    try {
      linkSync(draft, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  }
  return issuerOf(file);
}

/** Opens the issuer of this data folder; null when its key was never made. Makes nothing. */
export async function readDemoIssuer(data: string): Promise<DemoIssuer | null> {
  const file = issuerFile(data);
  return existsSync(file) ? issuerOf(file) : null;
}

/** The key of that file. Throws `IssuerKeyError`. */
async function readKey(file: string): Promise<{ secret: JWK; key: Awaited<ReturnType<typeof importJWK>> }> {
  try {
    const secret = JSON.parse(readFileSync(file, 'utf8')) as JWK;
    if (!secret.d) throw new Error('no private key');
    return { secret, key: await importJWK(secret, 'ES256') };
  } catch {
    throw new IssuerKeyError(
      `${file} cannot be read as the demo issuer's key. Check its owner and mode (0600), or delete it: the hub makes a new one at its next start, and older demo tokens are refused then.`,
    );
  }
}

async function issuerOf(file: string): Promise<DemoIssuer> {
  const { secret, key } = await readKey(file);
  const { d: _, ...open } = secret;
  const jwks = { keys: [{ ...open, use: 'sig' }] };
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
    sign: (wish, now = systemClock.now()) => {
      const at = Math.floor(now.getTime() / 1000);
      return new SignJWT({
        roles: [wish.role],
        azp: wish.client ?? `demo-${wish.role}`,
        ...(wish.parks ? { parks: wish.parks } : {}),
        ...(wish.companies ? { companies: wish.companies } : {}),
        ...(wish.purpose ? { purpose: wish.purpose } : {}),
      })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: String(secret.kid) })
        .setIssuer(DEMO_ISSUER)
        .setAudience(DEMO_AUDIENCE)
        .setSubject(wish.subject ?? `demo:${wish.role}`)
        .setIssuedAt(at)
        .setExpirationTime(at + wish.seconds)
        .sign(key);
    },
  };
}
