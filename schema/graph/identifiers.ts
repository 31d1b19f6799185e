/** Checks and canonical forms of the identifiers that link sources. Standards: GB 32100-2015, GA 36-2018, GB/T 2260. */

const USCC_ALPHABET = '0123456789ABCDEFGHJKLMNPQRTUWXY';
const USCC_WEIGHTS = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
const ORG_ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const ORG_WEIGHTS = [3, 7, 9, 10, 5, 8, 4, 2];

/** Converts full-width to half-width characters and to upper case, and removes white space. */
export function canonical(text: string): string {
  return text.normalize('NFKC').replace(/\s+/g, '').toUpperCase();
}

/** Check character of an organisation code (GB 11714), from its first eight characters. */
export function organisationCheck(eight: string): string {
  let sum = 0;
  for (let i = 0; i < 8; i++) sum += ORG_ALPHABET.indexOf(eight[i] ?? '') * (ORG_WEIGHTS[i] ?? 0);
  const check = 11 - (sum % 11);
  return check === 10 ? 'X' : check === 11 ? '0' : String(check);
}

/** Check character of a USCC (GB 32100), from its first seventeen characters. */
export function usccCheck(seventeen: string): string {
  let sum = 0;
  for (let i = 0; i < 17; i++) sum += USCC_ALPHABET.indexOf(seventeen[i] ?? '') * (USCC_WEIGHTS[i] ?? 0);
  return USCC_ALPHABET[(31 - (sum % 31)) % 31] ?? '';
}

/**
 * Organisation codes that Xiamen assigned itself. The national register contains USCCs made of them before 2016 whose last character is
 * not the standard's check character (chinabugotech/hutool#4119, #2020).
 */
const XIAMEN = /^9[1-3]3502\d\dM000/;

/** Whether a USCC is valid although its last check character is wrong. */
export const isEarlyXiamenUscc = (uscc: string): boolean =>
  XIAMEN.test(uscc) && usccCheck(uscc.slice(0, 17)) !== uscc[17];

/**
 * The USCC in canonical form; null if invalid. Verifies both check characters, except the last one of Xiamen's early codes. The region is
 * not verified: it may have been abolished.
 */
export function parseUscc(text: string): string | null {
  const code = canonical(text);
  if (!/^[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}$/.test(code)) return null;
  if (organisationCheck(code.slice(8, 16)) !== code[16]) return null;
  return usccCheck(code.slice(0, 17)) === code[17] || XIAMEN.test(code) ? code : null;
}

/** Whether the USCC is of a sole trader (92…), and so identifies a person. */
export const isSoleTrader = (uscc: string): boolean => uscc.startsWith('92');

const PROVINCE = '[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]';
const PLATE_FORMS = [
  new RegExp(`^${PROVINCE}[A-HJ-NP-Z][A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9学警挂港澳]$`),
  // New energy vehicles have eight characters: small ones with a letter third, large ones with a letter last.
  new RegExp(`^${PROVINCE}[A-HJ-NP-Z][A-HJK][A-HJ-NP-Z0-9][0-9]{4}$`),
  new RegExp(`^${PROVINCE}[A-HJ-NP-Z][0-9]{5}[A-HJK]$`),
  new RegExp(`^使[0-9]{6}$|^${PROVINCE}[A-HJ-NP-Z][0-9]{4}领$|^[0-9]{6}使$`),
  new RegExp(`^${PROVINCE}[A-HJ-NP-Z][A-HJ-NP-Z0-9]{4}应急$|^${PROVINCE}[SX][A-HJ-NP-Z0-9]{4}应急$`),
  new RegExp(`^WJ${PROVINCE}?[0-9]{4}[0-9A-Z]$`),
  /^[A-Z]{2}[0-9]{5}$/,
];

/** The plate in canonical form: upper case, half width, no dot; null if invalid. 0 and O are not corrected. */
export function parsePlate(text: string): string | null {
  const plate = canonical(text).replace(/[·.•・-]/g, '');
  return PLATE_FORMS.some((form) => form.test(plate)) ? plate : null;
}

/** Masks a plate as 京A·**345: province, letter and the last three characters remain. */
export function maskPlate(plate: string): string {
  return `${plate.slice(0, 2)}·${'*'.repeat(Math.max(plate.length - 5, 1))}${plate.slice(-3)}`;
}

/** Masks a name as 张* or 欧**: the first character remains. */
export function maskName(name: string): string {
  const characters = [...name];
  return characters.length === 0 ? '' : `${characters[0]}${'*'.repeat(Math.max(characters.length - 1, 1))}`;
}

/** Whether the text has the form of a GB/T 2260 code: six digits. */
export const isRegionCode = (text: string): boolean => /^[1-9]\d{5}$/.test(text);
