// What a start is doing, a line per step. Plain JavaScript without packages: `npm start` calls it before anything is installed.

/** The line of a step: seconds since this process began, what is at work, and what it does. */
export const stepLine = (what, text) => `[${(performance.now() / 1000).toFixed(1).padStart(5)} s] ${what}: ${text}`;

/** Prints the line of a step. */
export function printStep(what, text) {
  process.stdout.write(`${stepLine(what, text)}\n`);
}
