/** How a command is typed on this machine, so that commands in messages can be copied. */
import { basename } from 'node:path';

/**
 * `isthmus` where it is installed as a command (in the container image), otherwise `npx --no-install isthmus`, which runs the program
 * of this clone. Without `--no-install` it would run whatever package is called `isthmus` in the public registry.
 */
export const INVOCATION =
  basename(process.argv[1] ?? '') === 'isthmus' && process.env['npm_execpath'] === undefined
    ? 'isthmus'
    : 'npx --no-install isthmus';

let pattern: RegExp | null = null;

/** The command names that `asTyped` recognises. */
export function setCommandNames(names: readonly string[]): void {
  pattern = new RegExp(`(?<![\\w./-])(?<!--no-install )isthmus (?=(?:${names.join('|')})\\b)`, 'g');
}

/** The text with each `isthmus NAME` replaced by what has to be typed here. */
export const asTyped = (text: string): string => (pattern ? text.replace(pattern, `${INVOCATION} `) : text);

/** A line that explains how to type the commands named in a message; empty if it names none, or they can be typed as written. */
export const typingHint = (text: string): string =>
  asTyped(text) === text || INVOCATION === 'isthmus' ? '' : `Run isthmus here with: ${INVOCATION}\n`;
