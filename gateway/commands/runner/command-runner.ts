/** Runs a command's body: prints its output and turns errors into one sentence and exit code 1. */
import { redactSecrets } from '../../../connectors/kit/log.ts';
import { CommandError, errorText } from './error-message.ts';
import { asTyped, typingHint } from './invocation.ts';

export { CommandError };

/** Prints a line to standard output; command names are printed as they have to be typed here. */
export const writeLine = (text: string): void => {
  process.stdout.write(`${asTyped(text)}\n`);
};

/** Prints the error to standard error and exits with code 1. The stack is printed only with ISTHMUS_LOG=debug. */
export function fail(error: unknown): never {
  const text = errorText(error, process.env['ISTHMUS_LOG'] === 'debug');
  process.stderr.write(`${redactSecrets(text)}\n${typingHint(text)}`);
  process.exit(1);
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** Throws `CommandError` when ISTHMUS_LOG is not a log level. An empty value is the same as none. */
function checkLogLevel(): void {
  const level = process.env['ISTHMUS_LOG'];
  if (level === '') delete process.env['ISTHMUS_LOG'];
  else if (level !== undefined && !LEVELS.includes(level)) {
    throw new CommandError(
      `ISTHMUS_LOG must be debug, info, warn or error, found ${JSON.stringify(level)}; example: ISTHMUS_LOG=info`,
    );
  }
}

/** Runs the body of a command. Exits with code 1 if it rejects, or resolves with false (it has then printed the reason). */
export const run = async (body: () => Promise<unknown>): Promise<void> => {
  try {
    checkLogLevel();
    if ((await body()) !== false) return;
  } catch (error) {
    fail(error);
  }
  process.exit(1);
};

/** Collects the values of a repeatable option. */
export const several = (value: string, previous: string[] = []): string[] => [...previous, value];

/** Parses the whole number of an option. Throws `CommandError` naming the option, its bounds and an example. */
export function wholeNumber(
  text: string,
  bounds: { readonly option: string; readonly min: number; readonly max: number; readonly example: string },
): number {
  const { option, min, max, example } = bounds;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new CommandError(
    `${option} must be a whole number from ${min} to ${max}, found ${JSON.stringify(text)}; example: ${example}`,
  );
}
