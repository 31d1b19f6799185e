/** Paths of the program's TypeScript files from `root`, with forward slashes; without tests and what only they import. */
export function programSources(root: string): string[];
