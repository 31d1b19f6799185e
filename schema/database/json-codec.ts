/** Encodes dates and maps in JSON, so that stored values are restored with their types. */

/** Converts a value of plain objects, arrays, dates, maps and scalars to JSON. */
export const encodeJson = (value: unknown): unknown =>
  value instanceof Date
    ? { $date: value.toISOString() }
    : value instanceof Map
      ? { $map: [...value].map(([key, item]) => [encodeJson(key), encodeJson(item)]) }
      : Array.isArray(value)
        ? value.map(encodeJson)
        : typeof value === 'object' && value !== null
          ? Object.fromEntries(Object.entries(value).map(([name, item]) => [name, encodeJson(item)]))
          : value;

/** The inverse of `encodeJson`. */
export const decodeJson = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(decodeJson);
  if (typeof value !== 'object' || value === null) return value;
  const { $date: date, $map: map } = value as { $date?: unknown; $map?: unknown };
  if (typeof date === 'string') return new Date(date);
  if (Array.isArray(map)) return new Map(map.map(([key, item]) => [decodeJson(key), decodeJson(item)]));
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, decodeJson(item)]));
};
