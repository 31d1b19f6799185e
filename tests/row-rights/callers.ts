/** The callers of the row permission test: each role, limited to one park, one company or both. */
import { HUB_PRINCIPAL, type Principal } from '../../connectors/kit/auth/principal.ts';
import { ROLE_NAMES, ROLES, type RoleName } from '../../connectors/kit/auth/roles.ts';
import { PARKS, type Park, type TwoParks } from './two-parks.ts';

/** A role with its limits. */
export interface Caller {
  readonly name: string;
  readonly role: RoleName;
  /** Null: not limited. */
  readonly park: Park | null;
  readonly company: Park | null;
}

export const LIMITED_CALLERS: readonly Caller[] = ROLE_NAMES.flatMap((role): Caller[] => {
  if (ROLES[role].companies === 'named')
    return PARKS.flatMap((company) => [
      { name: `${role} of a company of ${company}`, role, park: null, company },
      { name: `${role} of a company of ${company}, in lakeside only`, role, park: 'lakeside', company },
    ]);
  return PARKS.map((park) => ({ name: `${role} of ${park}`, role, park, company: null }));
});

/** The hub itself: sees every row. */
export const UNLIMITED_PRINCIPAL: Principal = { ...HUB_PRINCIPAL, consents: new Set(['tax']) };

/** The principal of the caller's token. */
export const principalOf = ({ role, park, company }: Caller, { samples }: TwoParks): Principal => ({
  ...HUB_PRINCIPAL,
  subject: role,
  roles: [role],
  scopes: new Set(ROLES[role].scopes),
  parks: park && [park],
  companies: company && [samples[company].uscc],
  consents: new Set(ROLES[role].consents),
});
