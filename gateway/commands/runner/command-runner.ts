/** How every command runs: what it prints, and how it ends when something is wrong. */
import { withoutSecrets } from '../../../connectors/kit/log.ts';
import { CommandError, faultText } from './error-message.ts';
import { asTyped, typingHint } from './invocation.ts';

export { CommandError };

/** Prints a line for people. */
export const say = (text: string): void => {
  process.stdout.write(`${asTyped(text)}\n`);
};

/** Ends the process with code 1 and a sentence on standard error. The stack is shown with ISTHMUS_LOG=debug only. */
export function fail(error: unknown): never {
  const text = faultText(error, process.env['ISTHMUS_LOG'] === 'debug');
  process.stderr.write(`${withoutSecrets(text)}\n${typingHint(text)}`);
  process.exit(1);
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** Throws `CommandError` when ISTHMUS_LOG is no level; an empty one counts as not given. */
function checkLogLevel(): void {
  const level = process.env['ISTHMUS_LOG'];
  if (level === '') delete process.env['ISTHMUS_LOG'];
  else if (level !== undefined && !LEVELS.includes(level)) {
    throw new CommandError(
      `ISTHMUS_LOG must be debug, info, warn or error, found ${JSON.stringify(level)}; example: ISTHMUS_LOG=info`,
    );
  }
}

/** Runs the command's body. Ends the process with code 1 when it rejects, or resolves with false: it has then said why itself. */
export const run = async (body: () => Promise<unknown>): Promise<void> => {
  try {
    checkLogLevel();
    if ((await body()) !== false) return;
  } catch (error) {
    fail(error);
  }
  process.exit(1);
};

/** Gathers an option that may be given several times. */
export const several = (one: string, before: string[] = []): string[] => [...before, one];

/** A whole number given with a command. Throws `CommandError` naming the option, the bounds and an example. */
export function wholeNumber(
  given: string,
  bounds: { readonly option: string; readonly min: number; readonly max: number; readonly example: string },
): number {
  const { option, min, max, example } = bounds;
  const value = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new CommandError(
    `${option} must be a whole number from ${min} to ${max}, found ${JSON.stringify(given)}; example: ${example}`,
  );
}
