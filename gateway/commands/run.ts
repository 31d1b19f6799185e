/** How every command runs: what it says, and how it ends when something is wrong. */

/** A line for people. */
export const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** Errors that are sentences for people; anything else is a fault of ours and keeps its stack. */
const SENTENCES = [
  'ConfigError',
  'EnvironmentError',
  'PortError',
  'DatabaseError',
  'SchemaVersionError',
  'CompositionError',
  'CommandError',
  'ChangeRefused',
  'DeclarationError',
  'AuditFileError',
  'SigningKeyError',
  'DataFolderError',
];

/** What was given with the command cannot be used; the message says what would. */
export class CommandError extends Error {
  override name = 'CommandError';
}

function fail(error: unknown): never {
  const known = error instanceof Error && SENTENCES.includes(error.name);
  process.stderr.write(
    known ? `${error.message}\n` : `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exit(1);
}

/** Runs the command's body; every fault ends the process with code 1. */
export const run = (body: () => Promise<void>): Promise<void> => body().catch(fail);

/** Gathers an option that may be given several times. */
export const several = (one: string, before: string[] = []): string[] => [...before, one];
