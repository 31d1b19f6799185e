/** The identifiers that join the islands: pure checks and one canonical form each. Sources: GB 32100-2015, GA 36-2018, GB/T 2260. */

const USCC_ALPHABET = '0123456789ABCDEFGHJKLMNPQRTUWXY';
const USCC_WEIGHTS = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
const ORG_ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const ORG_WEIGHTS = [3, 7, 9, 10, 5, 8, 4, 2];

/** Full-width characters to half width, white space off, upper case. */
export function canonical(text: string): string {
  return text.normalize('NFKC').replace(/\s+/g, '').toUpperCase();
}

/** Check character of an organisation code (GB 11714), for its first eight characters. */
export function organisationCheck(eight: string): string {
  let sum = 0;
  for (let i = 0; i < 8; i++) sum += ORG_ALPHABET.indexOf(eight[i] ?? '') * (ORG_WEIGHTS[i] ?? 0);
  const check = 11 - (sum % 11);
  return check === 10 ? 'X' : check === 11 ? '0' : String(check);
}

/** Check character of a credit code (GB 32100), for its first seventeen characters. */
export function usccCheck(seventeen: string): string {
  let sum = 0;
  for (let i = 0; i < 17; i++) sum += USCC_ALPHABET.indexOf(seventeen[i] ?? '') * (USCC_WEIGHTS[i] ?? 0);
  return USCC_ALPHABET[(31 - (sum % 31)) % 31] ?? '';
}

/**
 * Organisation codes that Xiamen assigned itself. Credit codes that it made of them before 2016 may have another last character than
 * the standard computes, and are in the national register so (chinabugotech/hutool#4119, #2020).
 */
const XIAMEN = /^9[1-3]3502\d\dM000/;

/** A credit code whose last character fails the check, and which is right nevertheless. */
export const isOldXiamen = (uscc: string): boolean => XIAMEN.test(uscc) && usccCheck(uscc.slice(0, 17)) !== uscc[17];

/**
 * The credit code in its one form, or null when it is not one. Both check characters are proved, but for Xiamen's old codes the last;
 * the region is not (it may be abolished).
 */
export function parseUscc(text: string): string | null {
  const code = canonical(text);
  if (!/^[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}$/.test(code)) return null;
  if (organisationCheck(code.slice(8, 16)) !== code[16]) return null;
  return usccCheck(code.slice(0, 17)) === code[17] || XIAMEN.test(code) ? code : null;
}

/** A sole trader's code (92…) points to a person. */
export const isSoleTrader = (uscc: string): boolean => uscc.startsWith('92');

const PROVINCE = '[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]';
const PLATE_FORMS = [
  new RegExp(`^${PROVINCE}[A-HJ-NP-Z][A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9学警挂港澳]$`),
  // New energy: eight characters; small cars carry the letter third, large ones last.
  new RegExp(`^${PROVINCE}[A-HJ-NP-Z][A-HJK][A-HJ-NP-Z0-9][0-9]{4}$`),
  new RegExp(`^${PROVINCE}[A-HJ-NP-Z][0-9]{5}[A-HJK]$`),
  new RegExp(`^使[0-9]{6}$|^${PROVINCE}[A-HJ-NP-Z][0-9]{4}领$|^[0-9]{6}使$`),
  new RegExp(`^${PROVINCE}[A-HJ-NP-Z][A-HJ-NP-Z0-9]{4}应急$|^${PROVINCE}[SX][A-HJ-NP-Z0-9]{4}应急$`),
  new RegExp(`^WJ${PROVINCE}?[0-9]{4}[0-9A-Z]$`),
  /^[A-Z]{2}[0-9]{5}$/,
];

/** The plate in its one form (upper case, half width, no dot), or null when it is none. 0 and O are never corrected by guess. */
export function parsePlate(text: string): string | null {
  const plate = canonical(text).replace(/[·.•・-]/g, '');
  return PLATE_FORMS.some((form) => form.test(plate)) ? plate : null;
}

/** Such as 京A·**345: province, letter and the last three characters stay. */
export function maskPlate(plate: string): string {
  return `${plate.slice(0, 2)}·${'*'.repeat(Math.max(plate.length - 5, 1))}${plate.slice(-3)}`;
}

/** Such as 张* or 欧**: the first character stays. */
export function maskName(name: string): string {
  const characters = [...name];
  return characters.length === 0 ? '' : `${characters[0]}${'*'.repeat(Math.max(characters.length - 1, 1))}`;
}

/** Six digits of GB/T 2260. */
export const isRegionCode = (text: string): boolean => /^[1-9]\d{5}$/.test(text);
