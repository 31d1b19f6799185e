/** JSON that keeps dates and maps: what is written to the database comes back as it was. */

/** A value of plain objects, lists, dates, maps and scalars as JSON. */
export const pack = (value: unknown): unknown =>
  value instanceof Date
    ? { $date: value.toISOString() }
    : value instanceof Map
      ? { $map: [...value].map(([key, one]) => [pack(key), pack(one)]) }
      : Array.isArray(value)
        ? value.map(pack)
        : typeof value === 'object' && value !== null
          ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, pack(one)]))
          : value;

/** The reverse of `pack`. */
export const unpack = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(unpack);
  if (typeof value !== 'object' || value === null) return value;
  const { $date: date, $map: map } = value as { $date?: unknown; $map?: unknown };
  if (typeof date === 'string') return new Date(date);
  if (Array.isArray(map)) return new Map(map.map(([key, one]) => [unpack(key), unpack(one)]));
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, unpack(one)]));
};
