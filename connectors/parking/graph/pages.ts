/** Pages over the vendors' own paging: one continuation per installation, forward only. */
import type { Known } from '../../kit/connector.ts';
import { HubError, SourceError } from '../../kit/errors.ts';
import { connection, type PageArguments, paging } from '../../kit/pagination.ts';
import { type Facts, joinedProvenance } from '../../kit/provenance.ts';
import type { Slice, Sliced } from '../source/answers.ts';
import type { At, Context } from './present.ts';

/**
 * Rows of the first installation, then of the second, and so on; a place is (installation, offset there, the vendor's instant of
 * the first page, 0 where it has none). All are asked at once. A dark one leaves a hole: the others' rows stand, the count is
 * unknown and the provenance is stale; when all are dark, its fault is the answer.
 */
export async function vendorPage<T, N>(
  context: Context,
  args: PageArguments,
  scope: string,
  ask: (at: At, slice: Slice) => Promise<Known<Sliced<T>> | null>,
  show: (row: T, at: At, facts: Facts) => N,
) {
  const page = paging(args, context.cursors, scope, { forwardOnly: true });
  const all = context.installations.all();
  const [from, offset, instant] = page.place ?? [all[0]?.id ?? '', 0, 0];
  const begin = all.findIndex((one) => one.id === from);
  if (page.place !== null && begin < 0)
    throw new HubError(
      'CURSOR_INVALID',
      'The parking system that this cursor points into is not set up here any more.',
    );
  const asked = all.slice(Math.max(begin, 0));
  const slices = asked.map(
    (_, i): Slice => ({
      offset: i === 0 ? Number(offset) : 0,
      size: page.size + 1,
      instant: i === 0 && Number(instant) > 0 ? Number(instant) : null,
    }),
  );
  const outcomes = await Promise.allSettled(asked.map((at, i) => ask(at, slices[i] as Slice)));
  const rows: { node: N; place: [string, number, number] }[] = [];
  const facts: Facts[] = [];
  const faults: unknown[] = [];
  // Installations before this page's place are not asked again, so their rows cannot be counted here.
  let total: number | null = begin <= 0 ? 0 : null;
  outcomes.forEach((outcome, i) => {
    const at = asked[i] as At;
    if (outcome.status === 'rejected') {
      if (!(outcome.reason instanceof SourceError)) throw outcome.reason;
      faults.push(outcome.reason);
      total = null;
      return;
    }
    if (outcome.value === null) return;
    const { value, facts: read } = outcome.value;
    facts.push(read);
    if (total !== null) total += value.total;
    const first = slices[i]?.offset ?? 0;
    for (const [n, row] of value.items.entries())
      rows.push({ node: show(row, at, read), place: [at.id, first + n + 1, value.instant ?? 0] });
  });
  if (facts.length === 0) throw faults[0] ?? new HubError('SOURCE_UNAVAILABLE', 'No parking system is set up here.');
  const shownFacts = faults.length > 0 ? facts.map((one) => ({ ...one, stale: true })) : facts;
  return connection(
    {
      rows: rows.slice(0, page.size),
      hasNext: rows.length > page.size,
      hasPrevious: page.place !== null,
      total: async () => total,
    },
    context.cursors,
    scope,
    (one) => one,
    joinedProvenance(shownFacts, context.clock),
  );
}

/** Asks every installation at once; those that fail with a source's fault are left out unless all do. */
export async function fromAll<T>(all: readonly At[], ask: (at: At) => Promise<T>): Promise<{ at: At; value: T }[]> {
  const outcomes = await Promise.allSettled(all.map(ask));
  const found = outcomes.flatMap((one, i) =>
    one.status === 'fulfilled' ? [{ at: all[i] as At, value: one.value }] : [],
  );
  const faults = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  const ours = faults.find((one) => !(one instanceof SourceError));
  if (ours !== undefined) throw ours;
  if (found.length === 0 && faults.length > 0) throw faults[0];
  return found;
}
