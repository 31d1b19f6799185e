/**
 * The demo's fictional park and the scenario that all simulators play. Pure: no clock, no file, no network; the same seed gives the
 * same park. It uses no vendor terms: each simulator translates into its vendor's format.
 *
 * Local time is Asia/Shanghai. All names are fictional; credit codes pass both checks but belong to nobody.
 */

export { parkedStays, peopleInside, scenario } from './scenario.ts';
export { meterLoad, meterRegister, registerChanges, registerEntry, taxFiles } from './time-driven-data.ts';
export type {
  Building,
  Company,
  DenialReason,
  Direction,
  Door,
  Lot,
  Meter,
  Moment,
  Person,
  RegisterChange,
  RegisterFacts,
  RegisterField,
  Stay,
  Swipe,
  TaxFile,
  Vehicle,
  VehicleMovement,
  World,
} from './types.ts';
export { createWorld } from './world.ts';
