/** The parking model. The vendor's records are APDS (ISO/TS 5206-1); `mapping/` converts them. */

export type PlateColour = 'BLUE' | 'YELLOW' | 'GREEN' | 'YELLOW_GREEN' | 'WHITE' | 'BLACK';

/** A vehicle is identified by plate and colour: a yellow, a blue and a green plate may carry the same text. */
export interface VehicleKey {
  readonly plate: string;
  readonly colour: PlateColour;
}

/** An id of the vendor with its version. */
export interface Reference {
  readonly id: string;
  readonly version: number;
}

export interface Lot {
  readonly id: string;
  readonly name: string;
  /** Number of places; null if the vendor gives none, or its code for "unknown". */
  readonly capacity: number | null;
  /** Measured occupancy; null if nothing is measured, or the vendor's value is its code for "unknown". */
  readonly occupied: number | null;
  readonly measuredAt: Date | null;
  /** Right specifications that may be granted for this lot. */
  readonly specifications: readonly Reference[];
}

export interface Money {
  /** Exact decimal as text. */
  readonly value: string;
  readonly currency: string;
}

export interface Session {
  readonly id: string;
  readonly vehicle: VehicleKey | null;
  readonly lot: string | null;
  /** Credit code (USCC) of the holder of the right under which the vehicle parks. */
  readonly company: string | null;
  readonly enteredAt: Date;
  readonly exitedAt: Date | null;
  readonly fee: Money | null;
}

export interface Permit {
  readonly id: string;
  readonly vehicle: VehicleKey | null;
  /** Id of the right specification; the lot is the one that offers this specification. */
  readonly specification: string;
  readonly company: string | null;
  readonly contract: string | null;
  readonly validFrom: Date;
  readonly validTo: Date | null;
  readonly revoked: boolean;
}

/** A permit to be created at the vendor. */
export interface Grant {
  readonly lot: string;
  readonly plate: string;
  readonly colour: PlateColour;
  readonly uscc: string | null;
  readonly validFrom: Date;
  readonly validTo: Date | null;
}

export interface Observation {
  readonly id: string;
  readonly lot: string;
  readonly time: Date;
  /** As measured, even if impossible (negative, or above capacity). */
  readonly occupied: number;
  readonly capacity: number | null;
}

/** One page of a vendor list. */
export interface VendorPage<T> {
  readonly items: readonly T[];
  /** Number of rows in the whole list. */
  readonly total: number;
  /** The vendor's reference instant of this view, in seconds since the epoch; later pages are requested for the same instant. */
  readonly instant: number;
  /** Ids of records that the vendor has deleted. */
  readonly deleted: readonly string[];
}

/** An event reported by a gate or an occupancy sensor. */
export type GateEvent =
  | { readonly kind: 'entered' | 'exited'; readonly time: Date; readonly session: Session }
  | { readonly kind: 'occupancy'; readonly observation: Observation }
  | { readonly kind: 'withdrawn'; readonly observation: string };
