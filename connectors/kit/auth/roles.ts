/** Rights and rows of each role. The roles of a token are names of this table; other roles have no rights. */

export interface Role {
  /** Who the role is for, and what it may see. */
  readonly description: string;
  readonly scopes: readonly string[];
  /** Visible rows: all, or those of the parks and companies that the token names. */
  readonly parks: 'all' | 'named';
  readonly companies: 'all' | 'named';
  /** Purposes for which every company is treated as having given its consent: demo only. */
  readonly consents: readonly string[];
}

/** Rights to read, without those to unmask. */
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
    description: 'Operator of parks: sees doors, persons, vehicles and meters of its parks unmasked; no tax data.',
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
    description:
      'E-service portal: files and reads for the companies that its token names; tax data only with their consent.',
    scopes: ['registration:read', 'registration:file', 'tax:read', 'tax:file', 'energy:read'],
    parks: 'all',
    companies: 'named',
    consents: [],
  },
  analyst: {
    description:
      'Statistics: no persons, badges, plates, vehicle movements, tax data or single meters, and no groups of fewer than five persons or three companies.',
    scopes: ['access:read', 'access:log', 'parking:read', 'registration:read'],
    parks: 'all',
    companies: 'all',
    consents: [],
  },
  developer: {
    description: 'Caller of the demo from this machine: reads everything of the demo park, masked.',
    scopes: [...READ, 'access:log', 'consent:read', 'audit:read', 'permits:write', 'registration:file', 'tax:file'],
    parks: 'all',
    companies: 'all',
    consents: ['tax'],
  },
  company: {
    description: 'Company: sees its own rows, unmasked, and no others.',
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

/** The role of that name; null if there is none. */
export const roleOf = (name: string): Role | null => (Object.hasOwn(ROLES, name) ? ROLES[name as RoleName] : null);
