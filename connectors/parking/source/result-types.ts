/** What the source returns to resolvers in addition to the model: list slices, occupancy buckets, vehicles with their ids. */
import type { VehicleKey } from '../model.ts';

/** A vehicle with its opaque id in the graph. */
export interface IdentifiedVehicle extends VehicleKey {
  readonly id: string;
  readonly company: string | null;
}

/** The requested part of a list. */
export interface Slice {
  readonly offset: number;
  readonly size: number;
  /** The vendor's reference instant of the first page; null when requesting the first page. */
  readonly instant: number | null;
}

/** The requested part of a session list, limited by start time: from inclusive, to exclusive. */
export interface SessionSlice extends Slice {
  readonly from: Date | null;
  readonly to: Date | null;
}

/** The rows of a slice and the size of the whole list. */
export interface SliceResult<T> {
  readonly items: readonly T[];
  readonly total: number;
  readonly instant: number | null;
}

/** Occupancy of one lot, by time bucket. */
export type OccupancyBuckets = readonly {
  readonly start: Date;
  readonly mean: string | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly flagged: number;
  readonly quality: string;
  /** Milliseconds of the bucket without a measurement. */
  readonly missing: number;
}[];
