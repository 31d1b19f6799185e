/**
 * The demo's invented park and the one story that all simulators tell. Pure: no clock, no file, no network; the same
 * seed gives the same park. It holds no legacy words: each simulator translates into its vendor's shape.
 *
 * Local time is Asia/Shanghai. Every name is invented; credit codes pass both checks but belong to nobody.
 */

export { inside, parked, story } from './scenario.ts';
export { meterLoad, meterRegister, registerChanges, registered, taxFiles } from './time-driven-data.ts';
export type {
  Building,
  Company,
  Direction,
  Door,
  Drive,
  Lot,
  Meter,
  Moment,
  Person,
  Refusal,
  RegisterChange,
  RegisterFacts,
  RegisterField,
  Stay,
  Swipe,
  TaxFile,
  Vehicle,
  World,
} from './types.ts';
export { world } from './world.ts';
