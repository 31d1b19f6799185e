/**
 * The demo's invented park and the one story that all simulators tell. Pure: no clock, no file, no network; the same
 * seed gives the same park. It holds no legacy words: each simulator translates into its vendor's shape.
 *
 * Local time is Asia/Shanghai. Every name is invented; credit codes pass both checks but belong to nobody.
 */
export { meterLoad, meterRegister, registerChanges, registered, taxFiles } from './park/register.ts';
export { inside, parked, story } from './park/story.ts';
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
} from './park/types.ts';
export { world } from './park/world.ts';
