/** Pagination: reads first/after/last/before, makes a page of the rows read, and a connection of the page. */
import type { Cursors, Position } from './cursor.ts';
import { badInput } from './errors.ts';
import type { ProvenanceObject } from './provenance.ts';

export const DEFAULT_PAGE_SIZE = 20;
export const MAX_PAGE_SIZE = 200;

/** Pagination arguments of a connection field. */
export interface PageArguments {
  readonly first?: number | null;
  readonly after?: string | null;
  readonly last?: number | null;
  readonly before?: string | null;
}

/** Which rows to read. */
export interface PageRequest {
  readonly forward: boolean;
  readonly size: number;
  /** Read the rows after it (before it, if not `forward`); null: from the start (end) of the list. */
  readonly position: Position | null;
}

/**
 * Checks the arguments: first/after or last/before, not both; 20 rows by default, at most 200. Throws BAD_USER_INPUT, or CURSOR_INVALID
 * for a cursor of another `scope`.
 */
export function parsePageArguments(
  args: PageArguments,
  cursors: Cursors,
  scope: string,
  options: { forwardOnly?: boolean } = {},
): PageRequest {
  const backward = args.last != null || args.before != null;
  if (backward && (args.first != null || args.after != null)) {
    throw badInput('first and after cannot be combined with last and before. Use one pair.');
  }
  if (backward && options.forwardOnly) {
    throw badInput('This list can only be read forward. Use first and after.');
  }
  const size = (backward ? args.last : args.first) ?? DEFAULT_PAGE_SIZE;
  if (!Number.isInteger(size) || size < 0 || size > MAX_PAGE_SIZE) {
    throw badInput(
      `${backward ? 'last' : 'first'} must be from 0 to ${MAX_PAGE_SIZE}, found ${size}. Request a page within these limits.`,
    );
  }
  const cursor = backward ? args.before : args.after;
  return { forward: !backward, size, position: cursor == null ? null : cursors.verify(scope, cursor) };
}

/** Rows of one page, in list order. */
export interface Page<T> {
  readonly rows: readonly { readonly node: T; readonly position: Position }[];
  readonly hasNext: boolean;
  readonly hasPrevious: boolean;
  /** Counts the whole list; called only if the client selects `totalCount`. */
  readonly total?: (() => Promise<number | null>) | undefined;
}

/**
 * Makes a page from up to `size + 1` rows in reading direction: the additional row shows whether there are more, and backward reads are
 * in reverse list order.
 */
export function toPage<T>(
  request: PageRequest,
  read: readonly T[],
  positionOf: (row: T) => Position,
  total?: () => Promise<number | null>,
): Page<T> {
  const hasMore = read.length > request.size;
  const rows = read.slice(0, request.size);
  if (!request.forward) rows.reverse();
  return {
    rows: rows.map((node) => ({ node, position: positionOf(node) })),
    hasNext: request.forward ? hasMore : request.position !== null,
    hasPrevious: request.forward ? request.position !== null : hasMore,
    total,
  };
}

/** The object of a GraphQL connection type. */
export interface ConnectionObject<N> {
  readonly nodes: readonly N[];
  readonly edges: readonly { readonly cursor: string; readonly node: N }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
  readonly totalCount?: () => Promise<number | null>;
  readonly provenance?: ProvenanceObject;
}

/** The connection of a page; `present` makes the GraphQL object of a row. */
export function toConnection<T, N>(
  page: Page<T>,
  cursors: Cursors,
  scope: string,
  present: (row: T) => N,
  provenance?: ProvenanceObject,
): ConnectionObject<N> {
  const edges = page.rows.map((row) => ({ cursor: cursors.sign(scope, row.position), node: present(row.node) }));
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
