/** Connections over the vendors' own paging, across the installations that know the company; forward only. */
import type { Sourced } from '../../kit/connector.ts';
import { HubError, SourceError } from '../../kit/errors.ts';
import { type PageArguments, parsePageArguments, toConnection } from '../../kit/pagination.ts';
import { joinedProvenance, type ProvenanceFacts } from '../../kit/provenance.ts';
import type { Slice, SliceResult } from '../source/result-types.ts';
import type { Context, ParkingInstallation } from './present.ts';

/**
 * One page of a list that spans the installations that know the company: the rows of the first, then of the second, and so on. A cursor
 * holds the installation, the offset there, and the vendor's reference instant of the first page (0 if there is none). All are called at
 * once. If some fail, the page has the rows of the others, `totalCount` is null and the provenance is stale; if all
 * fail, the first error is thrown.
 */
export async function vendorPage<T, N>(
  context: Context,
  company: string,
  args: PageArguments,
  scope: string,
  read: (at: ParkingInstallation, slice: Slice) => Promise<Sourced<SliceResult<T>> | null>,
  present: (row: T, at: ParkingInstallation, facts: ProvenanceFacts) => N,
) {
  const page = parsePageArguments(args, context.cursors, scope, { forwardOnly: true });
  const { asked: all, absentIn } = await context.installations.knowing('COMPANY', company);
  const [from, offset, instant] = page.position ?? [all[0]?.id ?? '', 0, 0];
  const start = all.findIndex(({ id }) => id === from);
  if (page.position !== null && start < 0)
    throw new HubError(
      'CURSOR_INVALID',
      'Invalid cursor: its parking installation is no longer configured. Start again without a cursor.',
    );
  const installations = all.slice(Math.max(start, 0));
  const slices = installations.map(
    (_, i): Slice => ({
      offset: i === 0 ? Number(offset) : 0,
      size: page.size + 1,
      instant: i === 0 && Number(instant) > 0 ? Number(instant) : null,
    }),
  );
  const outcomes = await Promise.allSettled(installations.map((at, i) => read(at, slices[i] as Slice)));
  const rows: { node: N; position: [string, number, number] }[] = [];
  const facts: ProvenanceFacts[] = [...absentIn];
  const errors: unknown[] = [];
  // Installations before the cursor are not called, so their rows cannot be counted.
  let total: number | null = start <= 0 ? 0 : null;
  outcomes.forEach((outcome, i) => {
    const at = installations[i] as ParkingInstallation;
    if (outcome.status === 'rejected') {
      if (!(outcome.reason instanceof SourceError)) throw outcome.reason;
      errors.push(outcome.reason);
      total = null;
      return;
    }
    if (outcome.value === null) return;
    const { value, facts: pageFacts } = outcome.value;
    facts.push(pageFacts);
    if (total !== null) total += value.total;
    const first = slices[i]?.offset ?? 0;
    for (const [index, row] of value.items.entries())
      rows.push({ node: present(row, at, pageFacts), position: [at.id, first + index + 1, value.instant ?? 0] });
  });
  if (facts.length === 0) throw errors[0] ?? new HubError('SOURCE_UNAVAILABLE', 'No parking system is configured.');
  const pageProvenance = errors.length > 0 ? facts.map((known) => ({ ...known, stale: true })) : facts;
  return toConnection(
    {
      rows: rows.slice(0, page.size),
      hasNext: rows.length > page.size,
      hasPrevious: page.position !== null,
      total: async () => total,
    },
    context.cursors,
    scope,
    (node) => node,
    joinedProvenance(pageProvenance, context.clock),
  );
}

/** Calls every installation at once. Installations that fail with a `SourceError` are left out; throws the first error if all fail. */
export async function readFromAll<T>(
  all: readonly ParkingInstallation[],
  read: (at: ParkingInstallation) => Promise<T>,
): Promise<{ at: ParkingInstallation; value: T }[]> {
  const outcomes = await Promise.allSettled(all.map(read));
  const found = outcomes.flatMap((outcome, i) =>
    outcome.status === 'fulfilled' ? [{ at: all[i] as ParkingInstallation, value: outcome.value }] : [],
  );
  const errors = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
  const internal = errors.find((error) => !(error instanceof SourceError));
  if (internal !== undefined) throw internal;
  if (found.length === 0 && errors.length > 0) throw errors[0];
  return found;
}
