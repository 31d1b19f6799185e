/** Formats a progress line: seconds since the process started, name of the step, text. */
export function stepLine(step: string, text: string): string;

/** Prints a progress line. */
export function printStep(step: string, text: string): void;
