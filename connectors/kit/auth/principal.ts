/** Who is asking. Made by the gateway, carried to every connector; connectors mask and filter by it. */
export interface Principal {
  /** The person or machine, as the issuer names it. */
  readonly subject: string;
  /** The application that the subject uses; consent is given to clients. */
  readonly client: string;
  readonly roles: readonly string[];
  readonly scopes: ReadonlySet<string>;
  /** Ids of parks, or null for all. */
  readonly parks: readonly string[] | null;
  /** Credit codes it may act for, or null for all. */
  readonly companies: readonly string[] | null;
  /** Why it asks, such as `tax`; null when it did not say. */
  readonly purpose: string | null;
  /** Purposes granted to its client: `tax` by every company (the demo's), `tax@<credit code>` by that one. */
  readonly consents: ReadonlySet<string>;
  /** When its token ends, in milliseconds since the epoch; null: never (no token). */
  readonly expires: number | null;
}

/** One caller to all limits: who shows no token and is nobody is one with all others like it. */
export const callerOf = (principal: Principal | null): string =>
  principal === null ? '-' : `${principal.client}\0${principal.subject}`;

/** The hub itself: jobs, pollers, health checks. */
export const HUB_PRINCIPAL: Principal = {
  subject: 'isthmus',
  client: 'isthmus',
  roles: ['hub'],
  scopes: new Set(),
  parks: null,
  companies: null,
  purpose: null,
  consents: new Set(),
  expires: null,
};

/** Nobody: a caller without a token where there is no anonymous role. Sees what is public, and no company's own rows. */
export const NOBODY: Principal = {
  ...HUB_PRINCIPAL,
  subject: 'anonymous',
  client: 'anonymous',
  roles: [],
  companies: [],
};

/** Readable personal values and the right that each needs; without it they are null and the twin `…Masked` is filled. */
export const UNMASKING = {
  'Vehicle.plate': 'parking:plates',
  'Person.name': 'access:names',
  'Registration.legalRepresentative': 'registration:representatives',
} as const;

/** Whether the principal may read that value itself. */
export const unmasked = (principal: Principal, field: keyof typeof UNMASKING): boolean =>
  principal.scopes.has(UNMASKING[field]);

/** Fewer persons than this are not counted for who may not see persons; fewer companies than this not for who may not see companies. */
export const FEW_PERSONS = 5;
export const FEW_COMPANIES = 3;

/** Whether the principal holds the scope. */
export const can = (principal: Principal, scope: string): boolean => principal.scopes.has(scope);

/** Whether it may see what belongs to this company; what belongs to none is for those who may see all. */
export const mayCompany = ({ companies }: Principal, uscc: string | null): boolean =>
  companies === null || (uscc !== null && companies.includes(uscc));

/** Whether it may see what belongs to this park. */
export const mayPark = ({ parks }: Principal, park: string): boolean => parks === null || parks.includes(park);

/** Whether this company has granted the purpose to the principal's client. A company needs no consent of its own. */
export const consented = (principal: Principal, purpose: string, uscc: string): boolean =>
  principal.consents.has(purpose) ||
  principal.consents.has(`${purpose}@${uscc}`) ||
  (principal.roles.includes('company') && (principal.companies?.includes(uscc) ?? false));
