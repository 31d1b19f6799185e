/** Who asks the hand-written program: the bearer token, verified once, and the rights of its role. */
import { readFileSync } from 'node:fs';
import { createLocalJWKSet, type JWK, jwtVerify } from 'jose';
import { ROLES, type RoleName } from '../../../../connectors/kit/auth/roles.ts';
import { DEMO_AUDIENCE, DEMO_ISSUER } from '../../../trust/tokens/demo-issuer.ts';

export interface Caller {
  readonly subject: string;
  readonly client: string;
  readonly role: RoleName;
  readonly scopes: ReadonlySet<string>;
  /** Null: all. */
  readonly parks: readonly string[] | null;
  /** Null: all. */
  readonly companies: readonly string[] | null;
  readonly consents: readonly string[];
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** Verifies tokens of the demo issuer, and keeps those that are valid. */
export class CallerVerifier {
  readonly #known = new Map<string, Caller>();
  readonly #keys: ReturnType<typeof createLocalJWKSet>;

  /** `issuerFile`: the key file of the demo issuer. */
  constructor(issuerFile: string) {
    const { d: _, ...key } = JSON.parse(readFileSync(issuerFile, 'utf8')) as JWK;
    this.#keys = createLocalJWKSet({ keys: [key] });
  }

  /** The caller of an Authorization header. Rejects if the token is missing or invalid. */
  of(header: string | undefined): Caller | Promise<Caller> {
    const known = this.#known.get(header ?? '');
    if (known && known.expires > Date.now()) return known;
    return this.#verify(header ?? '');
  }

  async #verify(header: string): Promise<Caller> {
    const { payload } = await jwtVerify(header.replace(/^Bearer /, ''), this.#keys, {
      issuer: DEMO_ISSUER,
      audience: DEMO_AUDIENCE,
      typ: 'at+jwt',
      algorithms: ['ES256'],
    });
    const role = (payload['roles'] as RoleName[])[0] as RoleName;
    const rights = ROLES[role];
    const caller: Caller = {
      subject: payload.sub ?? '',
      client: String(payload['azp']),
      role,
      scopes: new Set<string>(rights.scopes),
      parks: (payload['parks'] as string[] | undefined) ?? (rights.parks === 'all' ? null : []),
      companies: (payload['companies'] as string[] | undefined) ?? (rights.companies === 'all' ? null : []),
      consents: rights.consents,
      expires: (payload.exp ?? 0) * 1_000,
    };
    this.#known.set(header, caller);
    return caller;
  }
}
