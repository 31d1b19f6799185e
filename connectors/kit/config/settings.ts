/**
 * Settings that describe themselves: name, purpose, default, secrecy and reading stand in one declaration, and the type,
 * the README table, isthmus.example.yaml and the start-up message come out of it.
 */
import { parseDuration } from '../../../schema/graph/scalars.ts';
import { strikeOut } from '../log.ts';

/** One setting. `read` takes what stood in the YAML and answers the value, or throws an `Error` whose message says what was expected. */
export interface Setting<T> {
  readonly purpose: string;
  readonly example: string;
  readonly secret: boolean;
  /** As it would stand in the file; undefined means: must be given. */
  readonly fallback: unknown;
  readonly required: boolean;
  /** Replicas of one hub may say different things of it, such as each its own address. */
  readonly ownOfReplica?: boolean;
  /** For the JSON Schema that editors use. */
  readonly schema: Readonly<Record<string, unknown>>;
  read(raw: unknown): T;
}

/** All settings of one connector (or of the gateway). */
export interface Settings<S> {
  readonly section: string;
  readonly fields: { readonly [K in keyof S]: Setting<S[K]> };
}

/** What was wrong with one setting. */
export interface SettingFault {
  readonly name: string;
  readonly problem: string;
}

// biome-ignore lint/suspicious/noExplicitAny: inference needs the open end
type Fields = Record<string, Setting<any>>;
type ValuesOf<F extends Fields> = { readonly [K in keyof F]: F[K] extends Setting<infer T> ? T : never };
/** The type of the values that a declaration reads. */
export type Values<D> = D extends Settings<infer S> ? S : never;

/** Declares the settings of one connector. */
export function settings<F extends Fields>(section: string, fields: F): Settings<ValuesOf<F>> {
  return { section, fields: fields as unknown as Settings<ValuesOf<F>>['fields'] };
}

/** Reads all values; every fault is named, none hides another. */
export function readSettings<S>(
  declaration: Settings<S>,
  raw: Readonly<Record<string, unknown>>,
  known: readonly string[] = [],
): { values: S; faults: [] } | { values: null; faults: SettingFault[] } {
  const faults: SettingFault[] = [];
  const values: Record<string, unknown> = {};
  const fields = declaration.fields as Readonly<Record<string, Setting<unknown>>>;
  for (const name of Object.keys(raw)) {
    if (!(name in fields) && !known.includes(name)) {
      const names = [...known, ...Object.keys(fields)].join(', ');
      faults.push({ name, problem: `is not a setting of ${declaration.section}; known are ${names}` });
    }
  }
  for (const [name, setting] of Object.entries(fields)) {
    const given = raw[name] ?? setting.fallback;
    if (given === undefined || given === null) {
      if (setting.required) {
        faults.push({ name, problem: `is missing (${setting.purpose}); example: ${name}: ${setting.example}` });
      } else values[name] = null;
      continue;
    }
    try {
      values[name] = setting.read(given);
    } catch (error) {
      const found = setting.secret ? 'what stands there' : clipped(JSON.stringify(given));
      const expected = error instanceof Error ? error.message : String(error);
      faults.push({ name, problem: `${expected}, found ${found}; example: ${name}: ${setting.example}` });
    }
  }
  return faults.length > 0 ? { values: null, faults } : { values: values as S, faults: [] };
}

const clipped = (found: string): string => (found.length > 120 ? `${found.slice(0, 120)}…` : found);

interface Options<T> {
  readonly fallback?: unknown;
  readonly example?: string;
  readonly schema?: Record<string, unknown>;
  readonly read: (raw: unknown) => T;
}
function make<T>(purpose: string, secret: boolean, options: Options<T>): Setting<T> {
  const fallback = options.fallback;
  return {
    purpose,
    secret,
    fallback,
    required: fallback === undefined,
    example: options.example ?? (fallback === undefined || fallback === null ? '' : JSON.stringify(fallback)),
    schema: options.schema ?? { type: 'string' },
    read: options.read,
  };
}

function asText(raw: unknown): string {
  if (typeof raw !== 'string' || raw.trim() === '') throw new Error('must be a text');
  return raw;
}

/** Any text. */
export const text = (purpose: string, example: string, fallback?: string): Setting<string> =>
  make(purpose, false, { example, fallback, read: asText });

/** A text that may be left out (null). */
export const optionalText = (purpose: string, example: string): Setting<string | null> =>
  make<string | null>(purpose, false, { example, fallback: null, read: asText });

/** A secret: it comes from the environment by `${NAME}` and is struck out of every log line. */
export const secret = (purpose: string, example = '"${NAME}"'): Setting<string> =>
  make(purpose, true, {
    example,
    read: (raw) => {
      const value = asText(raw);
      strikeOut(value);
      return value;
    },
  });

/** A secret that may be left out (null). */
export const optionalSecret = (purpose: string, example = '"${NAME}"'): Setting<string | null> =>
  make<string | null>(purpose, true, { example, fallback: null, read: secret(purpose).read });

/** An address of one of the given schemes; a password in it is struck out of every log line. */
export const url = (
  purpose: string,
  example: string,
  schemes: readonly string[] = ['http', 'https'],
): Setting<string> =>
  make(purpose, false, {
    example,
    schema: { type: 'string', format: 'uri' },
    read: (raw) => readUrl(raw, schemes),
  });

/** An address that carries a password and is therefore secret as a whole. */
export const secretUrl = (purpose: string, example: string, schemes: readonly string[]): Setting<string> =>
  make(purpose, true, { example, read: (raw) => readUrl(raw, schemes) });

/** An address that may be left out (null). */
export const optionalUrl = (
  purpose: string,
  example: string,
  schemes: readonly string[] = ['http', 'https'],
): Setting<string | null> =>
  make<string | null>(purpose, false, { example, fallback: null, read: (raw) => readUrl(raw, schemes) });

/** The same setting, left out when the files of two replicas are compared. */
export const ownOfReplica = <T>(setting: Setting<T>): Setting<T> => ({ ...setting, ownOfReplica: true });

function readUrl(raw: unknown, schemes: readonly string[]): string {
  const value = asText(raw);
  const expected = `must be an address beginning with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`;
  let parsed: URL;
  try {
    parsed = new URL(value);
  } catch {
    throw new Error(expected);
  }
  if (!schemes.includes(parsed.protocol.slice(0, -1))) throw new Error(expected);
  if (parsed.password) strikeOut(decodeURIComponent(parsed.password));
  return value;
}

/** A duration: `3s`, `500ms`, `10m`, `2h`, `1d`, or ISO 8601 such as PT3S. The value is in milliseconds. */
export const milliseconds = (purpose: string, fallback: string): Setting<number> =>
  make(purpose, false, { example: fallback, fallback, read: readMilliseconds });

/** `3s`, `500ms`, `10m`, `2h`, `1d` or ISO 8601 to milliseconds; throws with what was expected. */
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

/** A number of bytes: `512kB`, `8MB`, `1GB` (thousands), `64KiB`, `8MiB`, `1GiB` (1,024), at least `min`. The value is in bytes. */
export const bytes = (purpose: string, fallback: string, min = 0): Setting<number> =>
  make(purpose, false, {
    example: fallback,
    fallback,
    read: (raw) => {
      const value = readBytes(raw);
      if (value < min) throw new Error(`must be at least ${min} bytes`);
      return value;
    },
  });

const BYTES = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

function readBytes(raw: unknown): number {
  const found = /^(\d+(?:\.\d+)?) ?(\w+)$/.exec(typeof raw === 'string' ? raw.trim() : '');
  const unit = found ? BYTES[found[2] as keyof typeof BYTES] : undefined;
  if (unit === undefined) throw new Error('must be a number of bytes such as 512kB, 8MB, 1GB or 64MiB');
  return Math.round(Number(found?.[1]) * unit);
}

/** A whole number within bounds. */
export const integer = (purpose: string, fallback: number | undefined, min: number, max: number): Setting<number> =>
  make(purpose, false, {
    example: String(fallback ?? min),
    fallback,
    schema: { type: 'integer', minimum: min, maximum: max },
    read: (raw) => {
      const value = typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw;
      if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
        throw new Error(`must be a whole number from ${min} to ${max}`);
      }
      return value;
    },
  });

/** Yes or no. */
export const flag = (purpose: string, fallback: boolean): Setting<boolean> =>
  make(purpose, false, {
    example: String(fallback),
    fallback,
    schema: { type: 'boolean' },
    read: (raw) => {
      if (raw === true || raw === 'true') return true;
      if (raw === false || raw === 'false') return false;
      throw new Error('must be true or false');
    },
  });

/** One of a few words. */
export const choice = <const C extends readonly string[]>(
  purpose: string,
  words: C,
  fallback?: C[number],
): Setting<C[number]> =>
  make(purpose, false, {
    example: fallback ?? words[0] ?? '',
    fallback,
    schema: { enum: words },
    read: (raw) => {
      const found = words.find((word) => word === raw);
      if (found === undefined) throw new Error(`must be one of ${words.join(', ')}`);
      return found;
    },
  });

/** A list or mapping with a shape of its own; `read` throws an `Error` that says what was expected. */
export const structure = <T>(
  purpose: string,
  example: string,
  read: (raw: unknown) => T,
  fallback?: unknown,
): Setting<T> => make(purpose, false, { example, fallback, schema: {}, read });

/** The README's table of a declaration: one row a setting, in Markdown. `npm run schema` prints it between two marks. */
export function settingsTable<S>(declaration: Settings<S>): string {
  const rows = Object.entries(declaration.fields as Readonly<Record<string, Setting<unknown>>>).map(([name, one]) => {
    const given = one.required
      ? '(must be given)'
      : one.fallback === null
        ? '(none)'
        : `\`${JSON.stringify(one.fallback)}\``;
    const shown = one.secret ? 'secret, ' : '';
    return `| \`${name}\` | ${one.purpose} | ${shown}${given} | \`${one.example}\` |`;
  });
  return ['| setting | what it says | default | example |', '| --- | --- | --- | --- |', ...rows].join('\n');
}
