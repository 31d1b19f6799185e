/** What a person reads when a command fails: one sentence, never a stack. */
import { getSystemErrorMap } from 'node:util';

/** Errors whose message is a sentence for people. Anything else is a fault of the program itself. */
const SENTENCES = [
  'ConfigError',
  'EnvironmentError',
  'PortError',
  'DatabaseError',
  'SchemaVersionError',
  'PresenceRefused',
  'DataFolderError',
  'CompositionError',
  'CommandError',
  'ChangeRefused',
  'DeclarationError',
  'AuditFileError',
  'SigningKeyError',
];

/** What was given with the command cannot be used; the message says what would. */
export class CommandError extends Error {
  override name = 'CommandError';
}

/** What the operating system's codes mean for a file or folder. */
const FILE_CODES: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EISDIR: 'is a folder; name a file',
  ENOTDIR: 'leads through a file as if it were a folder',
  EEXIST: 'exists already',
  EACCES: 'may not be opened by this user; check its owner and mode',
  EPERM: 'may not be changed by this user; check its owner and mode',
  EROFS: 'is on a file system that cannot be written',
  ENOSPC: 'does not fit: the disk is full',
  ENAMETOOLONG: 'has a name that is too long',
  ELOOP: 'is a link that leads back to itself',
};

/** A fault that the operating system has reported, as a sentence; null for any other error. */
function systemSentence(error: Error): string | null {
  const { code, errno, path, address, port, hostname } = error as NodeJS.ErrnoException & {
    readonly address?: string;
    readonly port?: number;
    readonly hostname?: string;
  };
  if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) return null;
  const meaning = FILE_CODES[code] ?? (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]) ?? code;
  if (path !== undefined) return `${path} ${FILE_CODES[code] ? meaning : `cannot be used: ${meaning}`}.`;
  const where = address === undefined ? hostname : port === undefined ? address : `${address}:${port}`;
  return where === undefined ? `The system refuses: ${meaning} (${code}).` : `${where} does not answer: ${meaning}.`;
}

/**
 * The sentence for standard error, without a line end. A fault of the program itself names the variable that shows its stack;
 * with `debug` the stack follows.
 */
export function faultText(error: unknown, debug: boolean): string {
  const stack = debug && error instanceof Error ? `\n${error.stack ?? ''}` : '';
  if (error instanceof Error && SENTENCES.includes(error.name)) return `${error.message}${stack}`;
  const system = error instanceof Error ? systemSentence(error) : null;
  if (system !== null) return `${system}${stack}`;
  const [first = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  const hint = debug ? '' : ' To see where it happened, run the command again with ISTHMUS_LOG=debug.';
  return `Unexpected fault in Isthmus itself: ${first || 'no message'}${/[.!?]$/.test(first) ? '' : '.'}${hint}${stack}`;
}
