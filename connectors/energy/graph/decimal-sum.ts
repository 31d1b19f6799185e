/** Adds decimals given as strings. */

/** The exact sum, without trailing zeros. */
export function sumDecimals(values: readonly string[]): string {
  const places = Math.max(0, ...values.map((value) => value.split('.')[1]?.length ?? 0));
  let total = 0n;
  for (const value of values) {
    const [whole = '0', fraction = ''] = value.replace('-', '').split('.');
    const digits = BigInt(`${whole}${fraction.padEnd(places, '0')}`);
    total += value.startsWith('-') ? -digits : digits;
  }
  const sign = total < 0n ? '-' : '';
  const text = (total < 0n ? -total : total).toString().padStart(places + 1, '0');
  if (places === 0) return `${sign}${text}`;
  const fraction = text.slice(-places).replace(/0+$/, '');
  return `${sign}${text.slice(0, -places)}${fraction ? `.${fraction}` : ''}`;
}
