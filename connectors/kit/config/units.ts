/** Parses durations and sizes of isthmus.yaml. */
import { parseDuration } from '../../../schema/graph/scalars.ts';

/** Parses a duration such as `500ms`, `3s`, `10m`, `2h`, `1d` or `PT3S` (ISO 8601) to milliseconds; throws what is expected. */
export function readMilliseconds(raw: unknown): number {
  const value = typeof raw === 'string' ? raw.trim() : '';
  const short = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value);
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
  const result = short
    ? Number(short[1]) * unit[short[2] as keyof typeof unit]
    : value.startsWith('P')
      ? parseDuration(value)
      : null;
  if (result === null || result < 0) throw new Error('must be a duration such as 500ms, 3s, 10m, 2h, 1d or PT3S');
  return result;
}

const BYTES = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** Parses a size such as `512kB`, `8MB` (powers of 1,000) or `64MiB` (powers of 1,024) to bytes; throws what is expected. */
export function readBytes(raw: unknown): number {
  const match = /^(\d+(?:\.\d+)?) ?(\w+)$/.exec(typeof raw === 'string' ? raw.trim() : '');
  const unit = match ? BYTES[match[2] as keyof typeof BYTES] : undefined;
  if (unit === undefined) throw new Error('must be a size such as 512kB, 8MB, 1GB or 64MiB');
  return Math.round(Number(match?.[1]) * unit);
}
