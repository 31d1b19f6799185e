/** Pages of lists that are merged from several installations or built from data already in memory. */
import type { PageArgs } from '../../../schema/graph/shared.ts';
import { mayAccessCompany } from '../../kit/auth/principal.ts';
import { cursorScope } from '../../kit/cursor.ts';
import {
  type ConnectionObject,
  type PageArguments,
  parsePageArguments,
  toConnection,
  toPage,
} from '../../kit/pagination.ts';
import { joinedProvenance, sourced } from '../../kit/provenance.ts';
import { type AccessContext, presentBadge, presentPerson, queryInstallations } from './present.ts';
import type { Badge, Person, Presence } from './types.ts';

/**
 * Badges of a company, ordered by installation, then number. Null when no installation is visible to the caller. While an
 * installation that knows the company is down, the page contains the badges of the others and has no total.
 */
export async function badgesPage(
  uscc: string,
  args: PageArgs,
  active: boolean | null,
  context: AccessContext,
): Promise<ConnectionObject<Badge> | null> {
  const scope = cursorScope('badges of company', [uscc, active]);
  const request = parsePageArguments(args as PageArguments, context.cursors, scope);
  const [fromSource, fromNumber] = (request.position ?? [null, null]) as [string | null, number | null];
  const sign = request.forward ? 1 : -1;
  /** Negative: the installation lies before the cursor. */
  const sideOfCursor = (id: string) =>
    fromSource === null || id === fromSource ? 0 : (id < fromSource ? -1 : 1) * sign;
  const window = { forward: request.forward, limit: request.size + 1, active };
  const { asked, absentIn } = await context.installations.knowing('COMPANY', uscc);
  const { results, incomplete } = await queryInstallations(asked, (source, id) =>
    source.badgesByCompany({ ...window, after: id === fromSource ? fromNumber : null }).load(uscc),
  );
  if (results.length === 0 && absentIn.length === 0) return null;
  const ordered = [...results].sort((a, b) => (a.installation.id < b.installation.id ? -sign : sign));
  const rows = ordered
    .filter(({ installation }) => sideOfCursor(installation.id) >= 0)
    .flatMap(({ installation, value }) =>
      value.value.map((badge) => ({
        badge: presentBadge(sourced(badge, value.facts), installation.source, context),
        position: [installation.id, badge.order] as const,
      })),
    );
  const total = async () => {
    if (incomplete) return null;
    const counts = await queryInstallations(asked, (source) => source.badgeCountByCompany(active).load(uscc));
    return counts.incomplete ? null : counts.results.reduce((sum, { value }) => sum + value, 0);
  };
  const page = toPage(request, rows, (row) => row.position, total);
  const facts = [
    ...results.map(({ value }) => ({ ...value.facts, stale: value.facts.stale || incomplete })),
    ...absentIn,
  ];
  return toConnection(page, context.cursors, scope, (row) => row.badge, joinedProvenance(facts, context.clock));
}

/** People inside, ordered by their opaque ids, from the list already in memory. */
export function peoplePage(presence: Presence, args: PageArgs, context: AccessContext): ConnectionObject<Person> {
  const request = parsePageArguments(args as PageArguments, context.cursors, presence.cursorScope);
  const all = presence.occupants
    .flatMap(({ value, facts }) => value.map(({ person, time }) => ({ person, facts: { ...facts, recordedAt: time } })))
    .filter(({ person }) => mayAccessCompany(context.principal, person.company))
    .sort((a, b) => (a.person.id < b.person.id ? -1 : 1));
  const lastId = request.position?.[0] as string | undefined;
  const remaining = all.filter(
    ({ person }) => lastId === undefined || (request.forward ? person.id > lastId : person.id < lastId),
  );
  if (!request.forward) remaining.reverse();
  const page = toPage(
    request,
    remaining.slice(0, request.size + 1),
    ({ person }) => [person.id],
    async () => all.length,
  );
  return toConnection(page, context.cursors, presence.cursorScope, ({ person, facts }) =>
    presentPerson(person, facts, context),
  );
}
