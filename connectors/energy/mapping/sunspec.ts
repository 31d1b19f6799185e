/** SunSpec meter models: "SunS", then models with id and length until 0xFFFF (SunSpec information model specification, model files). */
import { malformed } from '../../kit/errors.ts';
import { decodeRegister, scaleDecimal } from './register-decoding.ts';

/** Possible start addresses of the map. */
export const SUNSPEC_BASES = [40_000, 0, 50_000] as const;
/** "SunS" in two registers. */
export const SUNSPEC_MARKER = 0x53756e53;
export const SUNSPEC_END = 0xffff;

/** Meter models for single phase, split phase, wye and delta. */
const INTEGER_MODELS: readonly number[] = [201, 202, 203, 204];
const FLOAT_MODELS: readonly number[] = [211, 212, 213, 214];

/** Offsets of TotWhImp and its scale factor, counted from the model's id register. */
const INTEGER_IMPORT = 46;
const INTEGER_SCALE = 54;
const FLOAT_IMPORT = 68;

/** Number of registers to read of a meter model, from its id register on; null for other models. */
export function meterModelWords(model: number): number | null {
  if (INTEGER_MODELS.includes(model)) return INTEGER_SCALE + 1;
  return FLOAT_MODELS.includes(model) ? FLOAT_IMPORT + 2 : null;
}

/** Imported energy in kWh from the registers of a meter model, id and length included. Throws SOURCE_MALFORMED when not available. */
export function importedEnergy(model: Buffer): string {
  const id = model.length < 2 ? 0 : model.readUInt16BE(0);
  const words = meterModelWords(id);
  if (words === null || model.length < words * 2) throw malformed(`model ${id} is not a meter model or is too short`);
  if (FLOAT_MODELS.includes(id)) return decodeRegister(model.subarray(FLOAT_IMPORT * 2), 'float32', -3, 'TotWhImp');
  const total = model.readUInt32BE(INTEGER_IMPORT * 2);
  const scale = model.readInt16BE(INTEGER_SCALE * 2);
  // 0 of an accumulator means not available; meters also return it for a moment after a start.
  if (total === 0) throw malformed('TotWhImp is not available');
  if (scale === -0x8000) throw malformed('TotWh_SF is not available');
  if (scale < -10 || scale > 10) throw malformed('TotWh_SF is out of range');
  return scaleDecimal(String(total), scale - 3);
}
