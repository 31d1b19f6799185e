/** Reads the event log by position: pages, ranges and counts of events. */
import { selectList } from '../column-names.ts';
import { EventRow } from '../entities/events.ts';
import type { Tx } from '../transaction.ts';

/** Filter of events; all given conditions must hold. */
export interface EventQuery {
  readonly kind?: readonly string[];
  readonly park?: readonly string[];
  readonly company?: readonly string[];
  readonly vehicle?: readonly string[];
  readonly door?: readonly string[];
  readonly lot?: readonly string[];
  readonly meter?: readonly string[];
  readonly source?: readonly string[];
  readonly from?: Date;
  readonly to?: Date;
}

const COLUMNS = selectList(EventRow);

function conditions(query: EventQuery, values: unknown[]): string {
  const tests: string[] = [];
  const add = (value: unknown) => `$${values.push(value)}`;
  const lists = {
    kind: 'kind',
    park: 'park',
    company: 'company',
    vehicle: 'vehicle',
    door: 'door',
    lot: 'lot',
    meter: 'meter',
    source: 'installation',
  } as const;
  for (const [name, columnName] of Object.entries(lists)) {
    const list = query[name as keyof typeof lists];
    if (list) tests.push(`${columnName} = ANY(${add(list)})`);
  }
  if (query.from) tests.push(`time >= ${add(query.from)}`);
  if (query.to) tests.push(`time < ${add(query.to)}`);
  return tests.length > 0 ? tests.join(' AND ') : 'true';
}

/** At most `limit` events after position `place` in reading direction. */
export async function eventPage(
  tx: Tx,
  query: EventQuery,
  page: { forward: boolean; limit: number; place: string | null },
): Promise<EventRow[]> {
  const values: unknown[] = [];
  let test = conditions(query, values);
  const [compare, order] = page.forward ? ['>', 'ASC'] : ['<', 'DESC'];
  if (page.place !== null) test += ` AND position ${compare} $${values.push(page.place)}`;
  return tx.query(
    `SELECT ${COLUMNS} FROM event WHERE ${test} ORDER BY position ${order} LIMIT $${values.push(page.limit)}`,
    values,
  );
}

/** At most `limit` events with `after < position <= upTo` that match the query, oldest first. */
export async function eventRange(
  tx: Tx,
  query: EventQuery,
  range: { after: string; upTo: string; limit: number },
): Promise<EventRow[]> {
  const values: unknown[] = [];
  const test = conditions(query, values);
  values.push(range.after, range.upTo, range.limit);
  const count = values.length;
  return tx.query(
    `SELECT ${COLUMNS} FROM event WHERE ${test} AND position > $${count - 2} AND position <= $${count - 1} ORDER BY position LIMIT $${count}`,
    values,
  );
}

/** Number of events that match the query. */
export async function eventCount(tx: Tx, query: EventQuery): Promise<number> {
  const values: unknown[] = [];
  const rows: { count: string }[] = await tx.query(
    `SELECT count(*) FROM event WHERE ${conditions(query, values)}`,
    values,
  );
  return Number(rows[0]?.count ?? 0);
}
