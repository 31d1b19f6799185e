/** What parking knows, in our words (APDS, ISO/TS 5206-1, where it has one). */

export type PlateColour = 'BLUE' | 'YELLOW' | 'GREEN' | 'YELLOW_GREEN' | 'WHITE' | 'BLACK';

/** A vehicle is its plate and its colour: the same text may stand on a yellow, a blue and a green plate. */
export interface VehicleKey {
  readonly plate: string;
  readonly colour: PlateColour;
}

/** A versioned id of the vendor. */
export interface Reference {
  readonly id: string;
  readonly version: number;
}

export interface Lot {
  readonly id: string;
  readonly name: string;
  /** Places; null where the vendor does not tell, or says its word for "unknown". */
  readonly capacity: number | null;
  /** Measured; null where nothing is measured, or the vendor's figure is its word for "unknown". */
  readonly occupied: number | null;
  readonly measuredAt: Date | null;
  /** The kinds of right that may be granted for it. */
  readonly specifications: readonly Reference[];
}

export interface Money {
  /** Exact decimal. */
  readonly value: string;
  readonly currency: string;
}

export interface Session {
  readonly id: string;
  readonly vehicle: VehicleKey | null;
  readonly lot: string | null;
  /** Credit code of the holder of the right it parks under. */
  readonly company: string | null;
  readonly enteredAt: Date;
  readonly exitedAt: Date | null;
  readonly fee: Money | null;
}

export interface Permit {
  readonly id: string;
  readonly vehicle: VehicleKey | null;
  /** Which kind of right it is; the lot is the one that carries this kind. */
  readonly specification: string;
  readonly company: string | null;
  readonly contract: string | null;
  readonly validFrom: Date;
  readonly validTo: Date | null;
  readonly revoked: boolean;
}

/** Who may park where and how long, before the vendor has it. */
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
  /** As measured, also when it cannot be. */
  readonly occupied: number;
  readonly capacity: number | null;
}

/** A list as the vendor pages it. */
export interface VendorPage<T> {
  readonly items: readonly T[];
  /** Rows in the whole list. */
  readonly total: number;
  /** The vendor's instant of this view, in seconds since the epoch: further pages are asked for the same view. */
  readonly instant: number;
  /** Ids of what was deleted over there. */
  readonly deleted: readonly string[];
}

/** What a gate or a sensor has told by webhook. */
export type GateEvent =
  | { readonly kind: 'entered' | 'exited'; readonly time: Date; readonly session: Session }
  | { readonly kind: 'occupancy'; readonly observation: Observation }
  | { readonly kind: 'withdrawn'; readonly observation: string };
