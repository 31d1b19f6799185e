/**
 * Declares settings: name, description, default, secrecy and parser in one place. The TypeScript type, the README table,
 * isthmus.example.yaml, its JSON Schema and the error messages are derived from the declaration.
 */
import { redactSecret } from '../log.ts';
import { readBytes, readMilliseconds } from './units.ts';

export { readMilliseconds } from './units.ts';

export interface Setting<T> {
  readonly description: string;
  readonly example: string;
  readonly secret: boolean;
  /** As written in the file; undefined: the setting is required. */
  readonly defaultValue: unknown;
  readonly required: boolean;
  /** The former name, still accepted. */
  readonly formerName?: string;
  /** Replicas of one hub may have different values, such as their own address. */
  readonly perReplica?: boolean;
  /** JSON Schema of the value, for editors. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** Parses the YAML value; throws an `Error` whose message says what is expected. */
  read(raw: unknown): T;
}

/** The settings of one connector, or of one section of isthmus.yaml. */
export interface Settings<S> {
  readonly section: string;
  readonly fields: { readonly [K in keyof S]: Setting<S[K]> };
}

/** One invalid setting. `problem` continues the sentence after the setting's name, such as `must be true or false`. */
export interface SettingError {
  readonly name: string;
  readonly problem: string;
}

// biome-ignore lint/suspicious/noExplicitAny: values have any type; `ValuesOf` infers each
type Fields = Record<string, Setting<any>>;
type ValuesOf<F extends Fields> = { readonly [K in keyof F]: F[K] extends Setting<infer T> ? T : never };
/** The type of a declaration's values. */
export type Values<D> = D extends Settings<infer S> ? S : never;

/** Declares settings. `section`: their connector or section, as error messages name it. */
export function settings<F extends Fields>(section: string, fields: F): Settings<ValuesOf<F>> {
  return { section, fields: fields as unknown as Settings<ValuesOf<F>>['fields'] };
}

type AnyFields = Readonly<Record<string, Setting<unknown>>>;
const fieldsOf = <S>(declaration: Settings<S>): AnyFields => declaration.fields as AnyFields;

/** The values with former names replaced by current ones. A former name stays where the current name is given too, which `readSettings` rejects. */
export function withCurrentNames<S>(
  declaration: Settings<S>,
  raw: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const current = new Map(Object.entries(fieldsOf(declaration)).map(([name, { formerName }]) => [formerName, name]));
  return Object.fromEntries(
    Object.entries(raw).map(([name, value]) => {
      const renamedTo = current.get(name);
      return [renamedTo === undefined || renamedTo in raw ? name : renamedTo, value];
    }),
  );
}

/** The values, or the errors. */
export type SettingsResult<S> =
  | { readonly values: S; readonly errors: readonly [] }
  | { readonly values: null; readonly errors: readonly SettingError[] };

/** Reads all values. Returns an error for every invalid, missing or unknown setting, without the values of secrets. */
export function readSettings<S>(declaration: Settings<S>, raw: Readonly<Record<string, unknown>>): SettingsResult<S> {
  const errors: SettingError[] = [];
  const values: Record<string, unknown> = {};
  const fields = fieldsOf(declaration);
  const current = withCurrentNames(declaration, raw);
  for (const name of Object.keys(current)) {
    if (name in fields) continue;
    const renamedTo = Object.keys(fields).find((field) => fields[field]?.formerName === name);
    const problem =
      renamedTo === undefined
        ? `is not a setting of ${declaration.section}; settings: ${Object.keys(fields).join(', ')}`
        : `is the former name of ${renamedTo}, which is set too; remove ${name}`;
    errors.push({ name, problem });
  }
  for (const [name, setting] of Object.entries(fields)) {
    const given = current[name] ?? setting.defaultValue;
    if (given === undefined || given === null) {
      if (setting.required) {
        errors.push({ name, problem: `is missing (${setting.description}); example: ${name}: ${setting.example}` });
      } else values[name] = null;
      continue;
    }
    try {
      values[name] = setting.read(given);
    } catch (error) {
      const found = setting.secret ? 'a hidden value' : truncate(JSON.stringify(given));
      const expected = error instanceof Error ? error.message : String(error);
      errors.push({ name, problem: `${expected}, found ${found}; example: ${name}: ${setting.example}` });
    }
  }
  return errors.length > 0 ? { values: null, errors } : { values: values as S, errors: [] };
}

/** The values when nothing is set. Throws if a setting is required. */
export function defaultsOf<S>(declaration: Settings<S>): S {
  const { values, errors } = readSettings(declaration, {});
  if (values === null) throw new Error(`${declaration.section}: ${errors[0]?.name} has no default.`);
  return values;
}

const truncate = (text: string): string => (text.length > 120 ? `${text.slice(0, 120)}…` : text);

interface Options<T> {
  readonly fallback?: unknown;
  readonly example?: string;
  readonly schema?: Record<string, unknown>;
  readonly read: (raw: unknown) => T;
}
function declare<T>(purpose: string, secret: boolean, options: Options<T>): Setting<T> {
  const fallback = options.fallback;
  return {
    description: purpose,
    secret,
    defaultValue: fallback,
    required: fallback === undefined,
    example: options.example ?? (fallback === undefined || fallback === null ? '' : JSON.stringify(fallback)),
    schema: options.schema ?? { type: 'string' },
    read: options.read,
  };
}

function parseText(raw: unknown): string {
  if (typeof raw !== 'string' || raw.trim() === '') throw new Error('must be a non-empty string');
  return raw;
}

/** A non-empty string. */
export const text = (purpose: string, example: string, fallback?: string): Setting<string> =>
  declare(purpose, false, { example, fallback, read: parseText });

/** A non-empty string; null when absent. */
export const optionalText = (purpose: string, example: string): Setting<string | null> =>
  declare<string | null>(purpose, false, { example, fallback: null, read: parseText });

/** A secret: set from the environment by `${NAME}` and redacted in every log line. */
export const secret = (purpose: string, example = '"${NAME}"'): Setting<string> =>
  declare(purpose, true, {
    example,
    read: (raw) => {
      const value = parseText(raw);
      redactSecret(value);
      return value;
    },
  });

/** A secret; null when absent. */
export const optionalSecret = (purpose: string, example = '"${NAME}"'): Setting<string | null> =>
  declare<string | null>(purpose, true, { example, fallback: null, read: secret(purpose).read });

/** A URL with one of the schemes. A password in it is redacted in every log line. */
export const url = (
  purpose: string,
  example: string,
  schemes: readonly string[] = ['http', 'https'],
): Setting<string> =>
  declare(purpose, false, {
    example,
    schema: { type: 'string', format: 'uri' },
    read: (raw) => readUrl(raw, schemes),
  });

/** A URL that may contain a password and is treated as a secret. */
export const secretUrl = (purpose: string, example: string, schemes: readonly string[]): Setting<string> =>
  declare(purpose, true, { example, read: (raw) => readUrl(raw, schemes) });

/** A URL; null when absent. */
export const optionalUrl = (
  purpose: string,
  example: string,
  schemes: readonly string[] = ['http', 'https'],
): Setting<string | null> =>
  declare<string | null>(purpose, false, { example, fallback: null, read: (raw) => readUrl(raw, schemes) });

/** The same setting under a new name: `formerName` is still accepted. */
export const renamed = <T>(formerName: string, setting: Setting<T>): Setting<T> => ({ ...setting, formerName });

/** The same setting, ignored when the configurations of two replicas are compared. */
export const perReplica = <T>(setting: Setting<T>): Setting<T> => ({ ...setting, perReplica: true });

function readUrl(raw: unknown, schemes: readonly string[]): string {
  const value = parseText(raw);
  const expected = `must be a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`;
  let parsed: URL;
  try {
    parsed = new URL(value);
  } catch {
    throw new Error(expected);
  }
  if (!schemes.includes(parsed.protocol.slice(0, -1))) throw new Error(expected);
  if (parsed.password) redactSecret(decodeURIComponent(parsed.password));
  return value;
}

/** A duration such as `500ms`, `3s`, `10m`, `2h`, `1d` or `PT3S` (ISO 8601). The value is in milliseconds. */
export const milliseconds = (purpose: string, fallback: string): Setting<number> =>
  declare(purpose, false, { example: fallback, fallback, read: readMilliseconds });

/** A size of at least `min` bytes: `512kB`, `8MB`, `1GB` (powers of 1,000) or `64KiB`, `8MiB`, `1GiB` (powers of 1,024). The value is in bytes. */
export const bytes = (purpose: string, fallback: string, min = 0): Setting<number> =>
  declare(purpose, false, {
    example: fallback,
    fallback,
    read: (raw) => {
      const value = readBytes(raw);
      if (value < min) throw new Error(`must be at least ${min} bytes`);
      return value;
    },
  });

/** An integer from `min` to `max`. */
export const integer = (purpose: string, fallback: number | undefined, min: number, max: number): Setting<number> =>
  declare(purpose, false, {
    example: String(fallback ?? min),
    fallback,
    schema: { type: 'integer', minimum: min, maximum: max },
    read: (raw) => {
      const value = typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw;
      if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
        throw new Error(`must be an integer from ${min} to ${max}`);
      }
      return value;
    },
  });

/** A boolean. */
export const flag = (purpose: string, fallback: boolean): Setting<boolean> =>
  declare(purpose, false, {
    example: String(fallback),
    fallback,
    schema: { type: 'boolean' },
    read: (raw) => {
      if (raw === true || raw === 'true') return true;
      if (raw === false || raw === 'false') return false;
      throw new Error('must be true or false');
    },
  });

/** One of several strings. */
export const choice = <const C extends readonly string[]>(
  purpose: string,
  values: C,
  fallback?: C[number],
): Setting<C[number]> =>
  declare(purpose, false, {
    example: fallback ?? values[0] ?? '',
    fallback,
    schema: { enum: values },
    read: (raw) => {
      const chosen = values.find((value) => value === raw);
      if (chosen === undefined) throw new Error(`must be one of ${values.join(', ')}`);
      return chosen;
    },
  });

/** A value with its own parser, such as a list or mapping; `read` throws an `Error` whose message says what is expected. */
export const custom = <T>(
  purpose: string,
  example: string,
  read: (raw: unknown) => T,
  fallback?: unknown,
): Setting<T> => declare(purpose, false, { example, fallback, schema: {}, read });
