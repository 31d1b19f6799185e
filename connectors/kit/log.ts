import { destination, type Logger, pino } from 'pino';
import { systemClock } from './clock.ts';

/** A log line's fields beside its sentence. */
export type Fields = Readonly<Record<string, unknown>>;

/** What rooms write to. Secrets never come here: settings mask themselves, and known secret values are struck out. */
export interface Log {
  debug(sentence: string, fields?: Fields): void;
  info(sentence: string, fields?: Fields): void;
  warn(sentence: string, fields?: Fields): void;
  error(sentence: string, fields?: Fields): void;
  child(fields: Fields): Log;
}

const secrets = new Set<string>();

/** From now on this text is struck out of every log line of this process. Short texts (under 6 characters) are left alone. */
export function strikeOut(secret: string): void {
  if (secret.length >= 6) {
    secrets.add(secret);
    secrets.add(encodeURIComponent(secret));
  }
}

/** The text without any known secret. */
export function withoutSecrets(text: string): string {
  let clean = text;
  for (const secret of secrets) if (clean.includes(secret)) clean = clean.replaceAll(secret, '[hidden]');
  return clean;
}

function flat(value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const cause = value.cause instanceof Error ? `; ${value.cause.message}` : '';
  const code = (value as { code?: unknown }).code;
  return `${code ? `${String(code)}: ` : ''}${value.message}${cause}`;
}

function wrap(logger: Logger): Log {
  const write = (level: 'debug' | 'info' | 'warn' | 'error') => (sentence: string, fields?: Fields) => {
    if (!logger.isLevelEnabled(level)) return;
    const shown: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(fields ?? {})) shown[name] = flat(value);
    logger[level](shown, sentence);
  };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => wrap(logger.child(fields)),
  };
}

/** Lines that could not be written are kept up to so many characters; what is beyond is dropped. */
const UNWRITTEN = 256 * 1024;

/** A log as JSON lines to `write` (default: standard error). Level by ISTHMUS_LOG, default `info`. */
export function makeLog(write?: (line: string) => void, level = process.env['ISTHMUS_LOG'] ?? 'info'): Log {
  const out = write ? undefined : destination({ dest: 2, sync: true, maxLength: UNWRITTEN });
  // Whoever read standard error is gone, such as a terminal that was closed: the process goes on without a log.
  out?.on('error', () => undefined);
  const stream = {
    write: (line: string) => (write ?? ((text: string) => void out?.write(text)))(withoutSecrets(line)),
  };
  return wrap(pino({ level, base: null, timestamp: () => `,"time":"${systemClock.now().toISOString()}"` }, stream));
}

/** A log that keeps nothing. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};
