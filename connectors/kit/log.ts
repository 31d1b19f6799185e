import { destination, type Logger, pino } from 'pino';
import { systemClock } from './clock.ts';

/** The fields of a log line, besides its message. */
export type LogFields = Readonly<Record<string, unknown>>;

/** The log of the process. Secret values that are registered with `redactSecret` are replaced in every line. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  child(fields: LogFields): Log;
}

const secrets = new Set<string>();

/** Replaces this value in every further log line of the process. Values under 6 characters are not replaced. */
export function redactSecret(secret: string): void {
  if (secret.length >= 6) {
    secrets.add(secret);
    secrets.add(encodeURIComponent(secret));
  }
}

/** The text with `[hidden]` in place of every registered secret. */
export function redactSecrets(text: string): string {
  let redacted = text;
  for (const secret of secrets) if (redacted.includes(secret)) redacted = redacted.replaceAll(secret, '[hidden]');
  return redacted;
}

/** An error as `CODE: message; message of its cause`; other values unchanged. */
function formatValue(value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const cause = value.cause instanceof Error ? `; ${value.cause.message}` : '';
  const code = (value as { code?: unknown }).code;
  return `${code ? `${String(code)}: ` : ''}${value.message}${cause}`;
}

function wrap(logger: Logger): Log {
  const write = (level: 'debug' | 'info' | 'warn' | 'error') => (message: string, fields?: LogFields) => {
    if (!logger.isLevelEnabled(level)) return;
    const formatted: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(fields ?? {})) formatted[name] = formatValue(value);
    logger[level](formatted, message);
  };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => wrap(logger.child(fields)),
  };
}

/** Characters of lines that wait to be written; further lines are dropped. */
const MAX_UNWRITTEN = 256 * 1024;

/** A log that writes JSON lines to `write` (default: standard error). The level is ISTHMUS_LOG, default `info`. */
export function createLog(write?: (line: string) => void, level = process.env['ISTHMUS_LOG'] ?? 'info'): Log {
  const out = write ? undefined : destination({ dest: 2, sync: true, maxLength: MAX_UNWRITTEN });
  // Standard error is closed, for example with its terminal: the process continues without a log.
  out?.on('error', () => undefined);
  const stream = {
    write: (line: string) => (write ?? ((text: string) => void out?.write(text)))(redactSecrets(line)),
  };
  return wrap(pino({ level, base: null, timestamp: () => `,"time":"${systemClock.now().toISOString()}"` }, stream));
}

/** A log that discards every line. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};
