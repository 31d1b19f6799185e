/** Pages over the vendors' own paging: one continuation per installation, forward only. */

import type { Known } from '../../kit/connector.ts';
import { HubError, SourceError } from '../../kit/errors.ts';
import { type Facts, joinedProvenance } from '../../kit/facts.ts';
import { connection, type PageArguments, paging } from '../../kit/page.ts';
import type { VendorPage } from '../model.ts';
import type { Slice } from '../source/index.ts';
import type { At, Context } from './show.ts';

/**
 * Rows of the first installation, then of the second, and so on; a place is (installation, offset there). All are asked at once. A dark
 * one leaves a hole: the others' rows stand, the count is unknown and the provenance is stale; when all are dark, its fault is the answer.
 */
export async function vendorPage<T, N>(
  context: Context,
  args: PageArguments,
  scope: string,
  ask: (at: At, slice: Slice) => Promise<Known<VendorPage<T> | null> | null>,
  show: (row: T, at: At, facts: Facts) => N | null,
) {
  const page = paging(args, context.cursors, scope, { forwardOnly: true });
  const all = context.installations.all();
  const [from, offset] = page.place ?? [all[0]?.id, 0];
  const begin = Math.max(
    all.findIndex((one) => one.id === from),
    0,
  );
  const asked = all.slice(begin);
  const outcomes = await Promise.allSettled(
    asked.map((at, i) => ask(at, { offset: i === 0 ? Number(offset) : 0, size: page.size + 1 })),
  );
  const rows: { node: N; place: [string, number] }[] = [];
  const facts: Facts[] = [];
  const faults: unknown[] = [];
  let total: number | null = page.place === null ? 0 : null;
  outcomes.forEach((outcome, i) => {
    const at = asked[i] as At;
    if (outcome.status === 'rejected') {
      if (!(outcome.reason instanceof SourceError)) throw outcome.reason;
      faults.push(outcome.reason);
      total = null;
      return;
    }
    const known = outcome.value;
    if (!known?.value) return;
    facts.push(known.facts);
    if (total !== null) total += known.value.total;
    const first = i === 0 ? Number(offset) : 0;
    for (const [n, row] of known.value.items.entries()) {
      const node = show(row, at, known.facts);
      // A right for no certain vehicle is no vehicle.
      if (node !== null) rows.push({ node, place: [at.id, first + n + 1] });
    }
  });
  if (facts.length === 0) throw faults[0] ?? new HubError('SOURCE_UNAVAILABLE', 'No parking system is set up here.');
  const shownFacts = faults.length > 0 ? facts.map((one) => ({ ...one, stale: true })) : facts;
  const kept = rows.slice(0, page.size);
  return connection(
    {
      rows: kept,
      hasNext: rows.length > page.size,
      hasPrevious: page.place !== null,
      total: async () => total,
    },
    context.cursors,
    scope,
    (one) => one,
    joinedProvenance(shownFacts, context.now()),
  );
}

/** Asks every installation at once; those that fail with a source's fault are left out unless all do. */
export async function fromAll<T>(all: readonly At[], ask: (at: At) => Promise<T>): Promise<{ at: At; value: T }[]> {
  const outcomes = await Promise.allSettled(all.map(ask));
  const found = outcomes.flatMap((one, i) =>
    one.status === 'fulfilled' ? [{ at: all[i] as At, value: one.value }] : [],
  );
  const fault = outcomes.find((one) => one.status === 'rejected');
  if (fault && (found.length === 0 || !(fault.reason instanceof SourceError))) throw fault.reason;
  return found;
}
