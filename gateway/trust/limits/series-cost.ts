/** The cost of a field that computes a value for each step of a range: the directive `@seriesCost`. */
import { bucketCount, periodCount } from '../../../schema/graph/bucket-sizes.ts';

/** Arguments of the directive; see schema/graph/directives.ts. */
export interface SeriesCost {
  readonly from: string;
  readonly to: string;
  readonly bucket?: string;
  /** Points of one step. */
  readonly weight: string;
  readonly sizedFields?: readonly string[];
}

/** Steps of a range without readable ends: executing the field rejects it. */
const UNREADABLE = 1;

/** Steps that the field computes, at least 1. `argument` returns the value of one, its default if it is absent. */
export function seriesSteps(series: SeriesCost, argument: (name: string) => unknown): number {
  const [from, to] = [argument(series.from), argument(series.to)];
  if (series.bucket === undefined)
    return Math.max((typeof from === 'string' && typeof to === 'string' && periodCount(from, to)) || 0, UNREADABLE);
  const [start, end] = [timeOf(from), timeOf(to)];
  if (start === null || end === null) return UNREADABLE;
  return Math.max(bucketCount(start, end, String(argument(series.bucket))), UNREADABLE);
}

/** A time as clients write it, or as the arguments of the graph hold it; null for anything else. */
function timeOf(value: unknown): Date | null {
  const time = value instanceof Date ? value : typeof value === 'string' ? new Date(value) : null;
  return time === null || Number.isNaN(time.getTime()) ? null : time;
}
