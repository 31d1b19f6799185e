// Progress lines of a start. JavaScript without packages, since `npm start` uses it before anything is installed.

/** Formats a progress line: seconds since the process started, name of the step, text. */
export const stepLine = (step, text) => `[${(performance.now() / 1000).toFixed(1).padStart(5)} s] ${step}: ${text}`;

/** Prints a progress line. */
export function printStep(step, text) {
  process.stdout.write(`${stepLine(step, text)}\n`);
}
