/** Register maps of meter models; a new model is a new row. Addresses and types are from the vendors' register lists. */

export type RegisterType = 'uint16' | 'uint32' | 'uint64' | 'int64' | 'float32' | 'float64';

/** Where a meter model has its register of energy (or volume). */
export interface RegisterMap {
  readonly description: string;
  /** 3: holding registers, 4: input registers. */
  readonly functionCode: 3 | 4;
  /** Address of the imported-energy register, as on the wire. */
  readonly address: number;
  readonly type: RegisterType;
  /** Power of ten between the register and the meter's unit. */
  readonly scale: number;
  /** Value at which the register rolls over, in the meter's unit; null when the vendor does not specify it. */
  readonly modulus: string | null;
}

const row = (
  description: string,
  functionCode: 3 | 4,
  address: number,
  type: RegisterType,
  scale = 0,
  modulus: string | null = null,
): RegisterMap => ({ description, functionCode, address, type, scale, modulus });

export const REGISTER_MAPS: Readonly<Record<string, RegisterMap>> = {
  dtsu666: row('Chint DTSU666: kWh', 3, 0x101e, 'float32'),
  sdm120: row('Eastron SDM120: kWh', 4, 0x0048, 'float32'),
  sdm630: row('Eastron SDM630: kWh', 4, 0x0048, 'float32'),
  'x96-1a': row('Eastron SMART X96-1A: kWh', 4, 0x0048, 'float32'),
  iem3000: row('Schneider iEM3000: Wh', 3, 0x0c83, 'int64', -3),
  pac2200: row('Siemens PAC2200: Wh', 4, 801, 'float64', -3),
  janitza: row('Janitza B series: Wh', 3, 0x4a7c, 'float32', -3),
  abb: row('ABB A and B series: hundredths of a kWh', 3, 0x5000, 'uint64', -2),
  pulse: row('Pulse counter: thousandths of its unit', 3, 0, 'uint32', -3, '4294967.296'),
  steel: row('Plant meter: hundredths of a kWh', 3, 0, 'uint32', -2, '42949672.96'),
};
