/** Names of time zones in isthmus.yaml. */

/** Zone of a park without a setting `zone`. */
export const DEFAULT_ZONE = 'Asia/Shanghai';

/**
 * Whether this is the name of an IANA time zone. An offset such as `+08:00` is none: PostgreSQL reads its sign the other way round, and it has no
 * daylight saving.
 */
export function isTimeZone(name: unknown): name is string {
  if (typeof name !== 'string' || !/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
