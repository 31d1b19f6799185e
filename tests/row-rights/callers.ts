/** Who asks: each role, narrowed to one park, one company or both. */
import { HUB_PRINCIPAL, type Principal } from '../../connectors/kit/auth/principal.ts';
import { ROLE_NAMES, ROLES, type RoleName } from '../../connectors/kit/auth/roles.ts';
import { PARKS, type Park, type TwoParks } from './parks.ts';

/** One caller: a role, narrowed. */
export interface Caller {
  readonly name: string;
  readonly role: RoleName;
  /** Null: not narrowed. */
  readonly park: Park | null;
  readonly company: Park | null;
}

export const NARROWED: readonly Caller[] = ROLE_NAMES.flatMap((role): Caller[] => {
  if (ROLES[role].companies === 'named')
    return PARKS.flatMap((company) => [
      { name: `${role} of a company of ${company}`, role, park: null, company },
      { name: `${role} of a company of ${company}, in lakeside only`, role, park: 'lakeside', company },
    ]);
  return PARKS.map((park) => ({ name: `${role} of ${park}`, role, park, company: null }));
});

/** The hub itself: sees every row. */
export const ALL_ROWS: Principal = { ...HUB_PRINCIPAL, consents: new Set(['tax']) };

/** The principal that the caller's token makes. */
export const principalOf = ({ role, park, company }: Caller, { samples }: TwoParks): Principal => ({
  ...HUB_PRINCIPAL,
  subject: role,
  roles: [role],
  scopes: new Set(ROLES[role].scopes),
  parks: park && [park],
  companies: company && [samples[company].uscc],
  consents: new Set(ROLES[role].consents),
});
