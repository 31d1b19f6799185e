/** What energy knows, in our words. */

export type Medium = 'ELECTRICITY' | 'WATER' | 'HEAT' | 'COOLING' | 'GAS';

/** What a meter is and whom it counts for, from a commissioning sheet or from the meter's own announcement. */
export interface MeterInfo {
  readonly serial: string;
  readonly medium: Medium;
  /** UCUM unit of the register. */
  readonly unit: string;
  /** The legacy system's code for the building. */
  readonly building: string | null;
  readonly company: string | null;
  /** The operator's customer number. */
  readonly customer: string | null;
  /** The register goes on from 0 when it reaches this; null when that is not known. */
  readonly modulus: string | null;
}

/** One register value, exact. */
export interface Reading {
  readonly serial: string;
  readonly time: Date;
  readonly value: string;
  readonly quality: 'GOOD' | 'ESTIMATED' | 'SUSPECT';
  /** Number of a correction, where the payload gives one; a higher one wins, whatever comes later. */
  readonly revision?: number;
  /** Where it came from: the gateway, or the unit. */
  readonly origin?: string;
}

/** A meter complains. */
export interface Alarm {
  readonly serial: string;
  readonly time: Date;
  readonly text: string;
}

/** A meter behind a Modbus gateway. */
export interface WiredMeter extends MeterInfo {
  readonly unitId: number;
  /** Name of its register map, or `sunspec`. */
  readonly map: string;
}
