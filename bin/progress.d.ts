/** The line of a step: seconds since this process began, what is at work, and what it does. */
export function stepLine(what: string, text: string): string;

/** Prints the line of a step. */
export function printStep(what: string, text: string): void;
