/** How this program is called where it runs, so that a command in a message can be copied as it is printed. */
import { basename } from 'node:path';

/**
 * `isthmus` where that is a command of the system (in the container image), else the way that works in a clone and can never
 * install anything: npx, without the option, fetches whatever package is called `isthmus` in the public registry.
 */
export const INVOCATION =
  basename(process.argv[1] ?? '') === 'isthmus' && process.env['npm_execpath'] === undefined
    ? 'isthmus'
    : 'npx --no-install isthmus';

let pattern: RegExp | null = null;

/** Names of the commands that `asTyped` looks for. */
export function nameCommands(names: readonly string[]): void {
  pattern = new RegExp(`(?<![\\w./-])(?<!--no-install )isthmus (?=(?:${names.join('|')})\\b)`, 'g');
}

/** The text with each `isthmus NAME` as it has to be typed here. */
export const asTyped = (text: string): string => (pattern ? text.replace(pattern, `${INVOCATION} `) : text);

/** A line on how the commands that a message names are typed here; empty where they are typed as they are named. */
export const typingHint = (text: string): string =>
  asTyped(text) === text || INVOCATION === 'isthmus' ? '' : `Here isthmus is called as: ${INVOCATION}\n`;
