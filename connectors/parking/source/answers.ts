/** What the source answers resolvers with, beside the model: slices of lists, buckets, vehicles with their ids. */
import type { VehicleKey } from '../model.ts';

/** A vehicle with the id under which the graph knows it. */
export interface IdentifiedVehicle extends VehicleKey {
  readonly id: string;
  readonly company: string | null;
}

/** Slice of a list. */
export interface Slice {
  readonly offset: number;
  readonly size: number;
  /** The vendor's instant of the list's first page; null for the first page itself. */
  readonly instant: number | null;
}

/** Slice of sessions by when they began. */
export interface SessionSlice extends Slice {
  readonly from: Date | null;
  readonly to: Date | null;
}

/** Rows of a slice, and how many the whole list has. */
export interface Sliced<T> {
  readonly items: readonly T[];
  readonly total: number;
  readonly instant: number | null;
}

/** Buckets of one lot. */
export type OccupancyBuckets = readonly {
  readonly start: Date;
  readonly mean: string | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly flagged: number;
}[];
