/** The authenticated caller. Created by the gateway and passed to every connector, which masks and filters values by it. */
export interface Principal {
  /** The person or machine, as the issuer names it. */
  readonly subject: string;
  /** The application that the subject uses. Companies give their consent to clients. */
  readonly client: string;
  readonly roles: readonly string[];
  readonly scopes: ReadonlySet<string>;
  /** Ids of parks, or null for all. */
  readonly parks: readonly string[] | null;
  /** Credit codes of the companies that it may act for, or null for all. */
  readonly companies: readonly string[] | null;
  /** The declared purpose, such as `tax`; null if there is none. */
  readonly purpose: string | null;
  /** Consents to its client: `tax` by every company (demo only), `tax@<credit code>` by one company. */
  readonly consents: ReadonlySet<string>;
  /** When its token expires, in milliseconds since the epoch; null: no token. */
  readonly expires: number | null;
}

/** The key of a caller for all limits: client and subject. All callers without a token have the same one. */
export const callerKey = (principal: Principal | null): string =>
  principal === null ? '-' : `${principal.client}\0${principal.subject}`;

/** The principal of the hub's own calls: jobs, pollers, health checks. */
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

/** The principal of a caller without a token, if no anonymous role is configured. Sees public rows only. */
export const ANONYMOUS: Principal = {
  ...HUB_PRINCIPAL,
  subject: 'anonymous',
  client: 'anonymous',
  roles: [],
  companies: [],
};

/** Fields with personal values and the right that each requires. Without it the field is null and its `…Masked` field has a value. */
export const UNMASK_SCOPES = {
  'Vehicle.plate': 'parking:plates',
  'Person.name': 'access:names',
  'Registration.legalRepresentative': 'registration:representatives',
} as const;

/** Whether the principal may read the field unmasked. */
export const mayUnmask = (principal: Principal, field: keyof typeof UNMASK_SCOPES): boolean =>
  principal.scopes.has(UNMASK_SCOPES[field]);

/** Smaller numbers of persons are withheld from callers who may not see persons. */
export const MIN_PERSON_COUNT = 5;
/** Smaller numbers of companies are withheld from callers who may not see companies. */
export const MIN_COMPANY_COUNT = 3;

/** Whether the principal has the right. */
export const hasScope = (principal: Principal, scope: string): boolean => principal.scopes.has(scope);

/** Whether the principal may see rows of this company. Rows of no company (null) require access to all companies. */
export const mayAccessCompany = ({ companies }: Principal, uscc: string | null): boolean =>
  companies === null || (uscc !== null && companies.includes(uscc));

/** Whether the principal may see rows of this park. */
export const mayAccessPark = ({ parks }: Principal, park: string): boolean => parks === null || parks.includes(park);

/** Whether the company has given the principal's client its consent for the purpose. A company needs none for its own rows. */
export const hasConsent = (principal: Principal, purpose: string, uscc: string): boolean =>
  principal.consents.has(purpose) ||
  principal.consents.has(`${purpose}@${uscc}`) ||
  (principal.roles.includes('company') && (principal.companies?.includes(uscc) ?? false));
