/** SunSpec: "SunS", then models by id and length until 0xFFFF. Meters are models 201 to 204. Source: sunspec/models. */
import { malformed } from '../../kit/errors.ts';
import { scaled } from './registers.ts';

/** Where the map may begin. */
export const SUNSPEC_BASES = [40_000, 0, 50_000] as const;
/** "SunS" in two registers. */
export const SUNSPEC_MARK = 0x53756e53;
export const SUNSPEC_END = 0xffff;
/** Single phase, split phase, wye, delta: integers with scale factors. */
export const METER_MODELS = [201, 202, 203, 204] as const;

/** Offsets within a meter model, counted from its id register. */
const TOTAL_IMPORT = 46;
const ENERGY_SCALE = 54;

/** Registers to read of a meter model, from its id on. */
export const METER_WORDS = ENERGY_SCALE + 1;

/** Imported energy in kWh, from the model's registers (id and length included). */
export function importedEnergy(model: Buffer): string {
  if (model.length < METER_WORDS * 2) throw malformed('the meter model is too short');
  const total = model.readUInt32BE(TOTAL_IMPORT * 2);
  const scale = model.readInt16BE(ENERGY_SCALE * 2);
  // An accumulator of 0 and a scale of 0x8000 both stand for "not there".
  if (scale === -0x8000) throw malformed('TotWh_SF is not there');
  if (scale < -10 || scale > 10) throw malformed('TotWh_SF is out of range');
  return scaled(String(total), scale - 3);
}
