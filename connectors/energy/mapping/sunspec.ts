/** SunSpec: "SunS", then models by id and length until 0xFFFF. Source: the SunSpec information model specification and its model files. */
import { malformed } from '../../kit/errors.ts';
import { decode, scaled } from './registers.ts';

/** Where the map may begin. */
export const SUNSPEC_BASES = [40_000, 0, 50_000] as const;
/** "SunS" in two registers. */
export const SUNSPEC_MARK = 0x53756e53;
export const SUNSPEC_END = 0xffff;

/** Meter models, each as single phase, split phase, wye and delta. */
const INTEGERS: readonly number[] = [201, 202, 203, 204];
const FLOATS: readonly number[] = [211, 212, 213, 214];

/** Offsets of TotWhImp and its scale factor, counted from the model's id register. */
const INTEGER_IMPORT = 46;
const INTEGER_SCALE = 54;
const FLOAT_IMPORT = 68;

/** Registers to read of a meter model, from its id on; null when the model is no meter. */
export function meterWords(model: number): number | null {
  if (INTEGERS.includes(model)) return INTEGER_SCALE + 1;
  return FLOATS.includes(model) ? FLOAT_IMPORT + 2 : null;
}

/** Imported energy in kWh, from the model's registers (id and length included). */
export function importedEnergy(model: Buffer): string {
  const id = model.length < 2 ? 0 : model.readUInt16BE(0);
  const words = meterWords(id);
  if (words === null || model.length < words * 2) throw malformed(`model ${id} is no meter model, or too short`);
  if (FLOATS.includes(id)) return decode(model.subarray(FLOAT_IMPORT * 2), 'float32', -3, 'TotWhImp');
  const total = model.readUInt32BE(INTEGER_IMPORT * 2);
  const scale = model.readInt16BE(INTEGER_SCALE * 2);
  // An accumulator says "not there" by 0; meters that start up show it for a moment, too.
  if (total === 0) throw malformed('TotWhImp is not there');
  if (scale === -0x8000) throw malformed('TotWh_SF is not there');
  if (scale < -10 || scale > 10) throw malformed('TotWh_SF is out of range');
  return scaled(String(total), scale - 3);
}
