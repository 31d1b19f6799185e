/** Who is asking. Made by the gateway, carried to every connector; connectors mask and filter by it. */
export interface Principal {
  readonly subject: string;
  readonly client: string;
  readonly roles: readonly string[];
  readonly scopes: ReadonlySet<string>;
  /** Ids of parks, or null for all. */
  readonly parks: readonly string[] | null;
  /** Credit codes it may act for, or null for all. */
  readonly companies: readonly string[] | null;
  /** Purposes that every company is taken to have consented to (the demo's developer), or granted ones. */
  readonly consents: ReadonlySet<string>;
}

/** The hub itself: jobs, pollers, health checks. */
export const HUB_PRINCIPAL: Principal = {
  subject: 'isthmus',
  client: 'isthmus',
  roles: ['hub'],
  scopes: new Set(),
  parks: null,
  companies: null,
  consents: new Set(),
};

/** Whether the principal holds the scope. Unmasking scopes: `parking:plates`, `access:names`, `registration:representatives`. */
export const can = (principal: Principal, scope: string): boolean => principal.scopes.has(scope);

/** A principal as it travels to a connector's own process. */
export function packPrincipal(principal: Principal): string {
  return JSON.stringify({ ...principal, scopes: [...principal.scopes], consents: [...principal.consents] });
}

/** The reverse of `packPrincipal`; throws on anything else. */
export function unpackPrincipal(text: string): Principal {
  const raw = JSON.parse(text) as Omit<Principal, 'scopes' | 'consents'> & { scopes: string[]; consents: string[] };
  if (typeof raw.subject !== 'string' || !Array.isArray(raw.scopes) || !Array.isArray(raw.consents)) {
    throw new Error('This is not a principal.');
  }
  return { ...raw, scopes: new Set(raw.scopes), consents: new Set(raw.consents) };
}
