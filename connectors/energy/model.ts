/** Meters and readings in the hub's terms. */

export type Medium = 'ELECTRICITY' | 'WATER' | 'HEAT' | 'COOLING' | 'GAS';

/** Description of a meter, from a commissioning sheet or from the meter's own `info` message. */
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
  /** The register continues from 0 when it reaches this value; null when unknown. */
  readonly modulus: string | null;
}

/** One exact register value. */
export interface Reading {
  readonly serial: string;
  readonly time: Date;
  readonly value: string;
  readonly quality: 'GOOD' | 'ESTIMATED' | 'SUSPECT';
  /** Number of a correction, if the payload has one. The highest one is valid, regardless of the order of arrival. */
  readonly revision?: number;
  /** The gateway or unit that sent it. */
  readonly origin?: string;
}

/** An alarm of a meter. */
export interface Alarm {
  readonly serial: string;
  readonly time: Date;
  readonly text: string;
}

/** A meter behind a Modbus gateway. */
export interface WiredMeter extends MeterInfo {
  readonly unitId: number;
  /** A key of `REGISTER_MAPS`, or `sunspec`. */
  readonly map: string;
}
