/** Exact sums of decimal texts. */

/** The sum, exact, without trailing zeros. */
export function sum(values: readonly string[]): string {
  const places = Math.max(0, ...values.map((one) => one.split('.')[1]?.length ?? 0));
  let total = 0n;
  for (const one of values) {
    const [whole = '0', fraction = ''] = one.replace('-', '').split('.');
    const digits = BigInt(`${whole}${fraction.padEnd(places, '0')}`);
    total += one.startsWith('-') ? -digits : digits;
  }
  const sign = total < 0n ? '-' : '';
  const text = (total < 0n ? -total : total).toString().padStart(places + 1, '0');
  if (places === 0) return `${sign}${text}`;
  const fraction = text.slice(-places).replace(/0+$/, '');
  return `${sign}${text.slice(0, -places)}${fraction ? `.${fraction}` : ''}`;
}
