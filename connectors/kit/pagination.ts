/** Paging: one reading of first/after/last/before, signed cursors, and the connection that the graph shows. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { badInput, HubError } from './errors.ts';
import type { ShownProvenance } from './provenance.ts';

export const DEFAULT_PAGE = 20;
export const MAX_PAGE = 200;

/** Arguments of a connection as the graph gives them. */
export interface PageArguments {
  readonly first?: number | null;
  readonly after?: string | null;
  readonly last?: number | null;
  readonly before?: string | null;
}

/** One direction, one size, one place. */
export interface PageRequest {
  readonly forward: boolean;
  readonly size: number;
  /** The place to go on from (exclusive), opened; null at the list's own end. */
  readonly place: readonly (string | number)[] | null;
}

/**
 * Checks the arguments: first/after or last/before, never both; 20 when neither is given; at most 200.
 * `scope` names list and filter: a cursor of another list or filter is CURSOR_INVALID.
 */
export function paging(
  args: PageArguments,
  cursors: Cursors,
  scope: string,
  options: { forwardOnly?: boolean } = {},
): PageRequest {
  const backward = args.last != null || args.before != null;
  if (backward && (args.first != null || args.after != null)) {
    throw badInput('Give first and after, or last and before, not both.');
  }
  if (backward && options.forwardOnly) {
    throw badInput('This list can only be read forward: give first and after.');
  }
  const size = (backward ? args.last : args.first) ?? DEFAULT_PAGE;
  if (!Number.isInteger(size) || size < 0 || size > MAX_PAGE) {
    throw badInput(`${backward ? 'last' : 'first'} must be a whole number from 0 to ${MAX_PAGE}, found ${size}.`);
  }
  const cursor = backward ? args.before : args.after;
  return { forward: !backward, size, place: cursor == null ? null : cursors.open(scope, cursor) };
}

/** Rows of one page, in list order, each with its place. */
export interface Page<T> {
  readonly rows: readonly { readonly node: T; readonly place: readonly (string | number)[] }[];
  readonly hasNext: boolean;
  readonly hasPrevious: boolean;
  /** Counted only when the client asks for it. */
  readonly total?: (() => Promise<number | null>) | undefined;
}

/**
 * From rows that were read one further than asked (`size + 1`), in reading direction (a backward page comes reversed
 * from the source), to a page in list order.
 */
export function pageOf<T>(
  request: PageRequest,
  read: readonly T[],
  place: (row: T) => readonly (string | number)[],
  total?: () => Promise<number | null>,
): Page<T> {
  const more = read.length > request.size;
  const kept = read.slice(0, request.size);
  if (!request.forward) kept.reverse();
  return {
    rows: kept.map((node) => ({ node, place: place(node) })),
    hasNext: request.forward ? more : request.place !== null,
    hasPrevious: request.forward ? request.place !== null : more,
    total,
  };
}

/** A connection as the graph shows it. */
export interface ShownConnection<N> {
  readonly nodes: readonly N[];
  readonly edges: readonly { readonly cursor: string; readonly node: N }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
  readonly totalCount?: () => Promise<number | null>;
  readonly provenance?: ShownProvenance;
}

/** The page as a connection; `show` turns a row into its graph object. */
export function connection<T, N>(
  page: Page<T>,
  cursors: Cursors,
  scope: string,
  show: (row: T) => N,
  provenance?: ShownProvenance,
): ShownConnection<N> {
  const edges = page.rows.map((row) => ({ cursor: cursors.seal(scope, row.place), node: show(row.node) }));
  const { total } = page;
  return {
    nodes: edges.map((edge) => edge.node),
    edges,
    pageInfo: {
      hasNextPage: page.hasNext,
      hasPreviousPage: page.hasPrevious,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
    ...(total ? { totalCount: () => total() } : { totalCount: async () => null }),
    ...(provenance ? { provenance } : {}),
  };
}

/** Signs and opens cursors. The key is the hub's own, kept in its database, so replicas and restarts agree. */
export class Cursors {
  readonly #key: Buffer;
  constructor(key: Buffer) {
    this.#key = key;
  }

  /** `place` under the list's `scope`. */
  seal(scope: string, place: readonly (string | number)[]): string {
    const body = Buffer.from(JSON.stringify(place), 'utf8');
    return Buffer.concat([this.#sign(scope, body), body]).toString('base64url');
  }

  /** The place again; throws CURSOR_INVALID for anything that this hub did not seal for this scope. */
  open(scope: string, cursor: string): (string | number)[] {
    const bytes = Buffer.from(cursor, 'base64url');
    const body = bytes.subarray(16);
    if (bytes.length > 16 && timingSafeEqual(bytes.subarray(0, 16), this.#sign(scope, body))) {
      return JSON.parse(body.toString('utf8')) as (string | number)[];
    }
    throw new HubError('CURSOR_INVALID', 'This cursor was not made by this hub, or for another list or filter.');
  }

  #sign(scope: string, body: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(scope).update('\0').update(body).digest().subarray(0, 16);
  }
}

/** A short, stable name of a list and its filter, for cursor scopes. */
export function scopeOf(list: string, filter: unknown): string {
  return `${list}:${createHash('sha256')
    .update(JSON.stringify(filter ?? null))
    .digest('base64url')
    .slice(0, 16)}`;
}
