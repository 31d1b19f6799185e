/** What each role holds. A token's roles are names of this table; a role that is not in it holds nothing. */

export interface Role {
  /** In a sentence, for docs and the command line. */
  readonly purpose: string;
  readonly scopes: readonly string[];
  /** Rows that it sees: all, or those that its token names. */
  readonly parks: 'all' | 'named';
  readonly companies: 'all' | 'named';
  /** Purposes that every company is taken to have granted: the demo's invented companies only. */
  readonly consents: readonly string[];
}

/** Rights to read; none to write, none to unmask. */
const READ = [
  'access:read',
  'access:persons',
  'parking:read',
  'parking:movements',
  'tax:read',
  'energy:read',
  'registration:read',
];

export const ROLES = {
  operator: {
    purpose: 'runs parks: sees doors, people, cars and meters of its parks unmasked; no tax',
    scopes: [
      'access:read',
      'access:log',
      'access:persons',
      'access:names',
      'parking:read',
      'parking:movements',
      'parking:plates',
      'permits:write',
      'energy:read',
      'registration:read',
      'consent:read',
      'audit:read',
    ],
    parks: 'named',
    companies: 'all',
    consents: [],
  },
  portal: {
    purpose: 'an e-service portal: files and reads for the companies that its token names, tax only by their consent',
    scopes: ['registration:read', 'registration:file', 'tax:read', 'tax:file', 'energy:read'],
    parks: 'all',
    companies: 'named',
    consents: [],
  },
  analyst: {
    purpose:
      'counts: sees no person, no badge, no plate, no movement of a vehicle, no tax, no single meter, and no group of fewer than five persons or three companies',
    scopes: ['access:read', 'access:log', 'parking:read', 'registration:read'],
    parks: 'all',
    companies: 'all',
    consents: [],
  },
  developer: {
    purpose: "the demo's caller from loopback: reads everything of the invented park, unmasks nothing",
    scopes: [...READ, 'access:log', 'consent:read', 'audit:read', 'permits:write', 'registration:file', 'tax:file'],
    parks: 'all',
    companies: 'all',
    consents: ['tax'],
  },
  company: {
    purpose: 'a company: sees itself, unmasked, and nobody else',
    scopes: [
      ...READ,
      'access:names',
      'parking:plates',
      'registration:representatives',
      'registration:file',
      'tax:file',
      'consent:read',
      'consent:write',
      'audit:read',
    ],
    parks: 'all',
    companies: 'named',
    consents: [],
  },
} as const satisfies Readonly<Record<string, Role>>;

export type RoleName = keyof typeof ROLES;
export const ROLE_NAMES = Object.keys(ROLES) as RoleName[];

/** The role of that name; null when there is none. */
export const roleOf = (name: string): Role | null => (Object.hasOwn(ROLES, name) ? ROLES[name as RoleName] : null);
