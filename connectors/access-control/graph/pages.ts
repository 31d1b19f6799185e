/** Lists that are put together from several installations, or from what is in memory already. */

import type { PageArgs } from '../../../schema/graph/shared.ts';
import { mayCompany } from '../../kit/auth/principal.ts';
import { connection, type PageArguments, pageOf, paging, type ShownConnection, scopeOf } from '../../kit/pagination.ts';
import { joinedProvenance, withFacts } from '../../kit/provenance.ts';
import { type Context, gather, showBadge, showPerson } from './present.ts';
import type { Badge, Person, Presence } from './types.ts';

/**
 * Badges of a company by installation, then number. Null when no installation may be asked. While one is dark the page holds
 * what the others know, and there is no total.
 */
export async function badgesPage(
  uscc: string,
  args: PageArgs,
  active: boolean | null,
  context: Context,
): Promise<ShownConnection<Badge> | null> {
  const scope = scopeOf('badges of company', [uscc, active]);
  const request = paging(args as PageArguments, context.cursors, scope);
  const [fromSource, fromNumber] = (request.place ?? [null, null]) as [string | null, number | null];
  const sign = request.forward ? 1 : -1;
  const side = (id: string) => (fromSource === null || id === fromSource ? 0 : (id < fromSource ? -1 : 1) * sign);
  const ask = { forward: request.forward, limit: request.size + 1, active };
  const ids = new Map(context.installations.all().map((one) => [one.source, one.id]));
  const { answers, dark } = await gather(context, (source) => {
    const id = ids.get(source) ?? '';
    return source.badgesOf({ ...ask, after: id === fromSource ? fromNumber : null }).load(uscc);
  });
  if (answers.length === 0) return null;
  const ordered = [...answers].sort((a, b) => (a.at.id < b.at.id ? -sign : sign));
  const rows = ordered
    .filter(({ at }) => side(at.id) >= 0)
    .flatMap(({ at, value }) =>
      value.value.map((badge) => ({
        badge: showBadge(withFacts(badge, value.facts), at.source, context),
        place: [at.id, badge.order] as const,
      })),
    );
  const total = async () => {
    if (dark) return null;
    const counted = await gather(context, (source) => source.badgeCount(active).load(uscc));
    return counted.dark ? null : counted.answers.reduce((sum, one) => sum + one.value, 0);
  };
  const page = pageOf(request, rows, (row) => row.place, total);
  const facts = answers.map(({ value }) => ({ ...value.facts, stale: value.facts.stale || dark }));
  return connection(page, context.cursors, scope, (row) => row.badge, joinedProvenance(facts, context.clock));
}

/** Persons inside, by their opaque ids: the list is in memory already. */
export function peoplePage(presence: Presence, args: PageArgs, context: Context): ShownConnection<Person> {
  const request = paging(args as PageArguments, context.cursors, presence.list);
  const all = presence.seen
    .flatMap(({ value, facts }) => value.map(({ person, time }) => ({ person, facts: { ...facts, recordedAt: time } })))
    .filter(({ person }) => mayCompany(context.principal, person.company))
    .sort((a, b) => (a.person.id < b.person.id ? -1 : 1));
  const place = request.place?.[0] as string | undefined;
  const beyond = all.filter(
    ({ person }) => place === undefined || (request.forward ? person.id > place : person.id < place),
  );
  if (!request.forward) beyond.reverse();
  const page = pageOf(
    request,
    beyond.slice(0, request.size + 1),
    ({ person }) => [person.id],
    async () => all.length,
  );
  return connection(page, context.cursors, presence.list, ({ person, facts }) => showPerson(person, facts, context));
}
