/** The text of a failed command: one sentence, without a stack. */
import { getSystemErrorMap } from 'node:util';

/**
 * Names of errors whose message is written for operators; any other error is a bug in the program. Names and not classes, so that a
 * command loads only the modules that it needs.
 */
export const OPERATOR_ERRORS = [
  'AuditFileError',
  'ChangeRejected',
  'CommandError',
  'CompositionError',
  'ConfigError',
  'ConnectorError',
  'DataFolderError',
  'DatabaseBusyError',
  'DatabaseError',
  'DeclarationError',
  'EnvironmentError',
  'IssuerKeyError',
  'MissingDataError',
  'OnboardError',
  'PortError',
  'ProcessRejectedError',
  'SchemaVersionError',
  'SigningKeyError',
  'SimulatorError',
  'SupergraphError',
  'TokenOptionError',
];

/** An argument or environment variable of a command is invalid; the message says what is expected. */
export class CommandError extends Error {
  override name = 'CommandError';
}

/** Meaning of operating system error codes for a file or folder; follows its path. */
const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EISDIR: 'is a folder; name a file',
  ENOTDIR: 'is not a valid path: one of its folders is a file',
  EEXIST: 'exists already',
  EACCES: 'cannot be opened by this user; check its owner and mode',
  EPERM: 'cannot be changed by this user; check its owner and mode',
  EROFS: 'is on a read-only file system',
  ENOSPC: 'cannot be written: the disk is full',
  ENAMETOOLONG: 'has a name that is too long',
  ELOOP: 'is a symbolic link that leads back to itself',
};

/** The text of an error reported by the operating system; null for any other error. */
function systemErrorText(error: Error): string | null {
  const { code, errno, path, address, port, hostname } = error as NodeJS.ErrnoException & {
    readonly address?: string;
    readonly port?: number;
    readonly hostname?: string;
  };
  if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) return null;
  const meaning = FILE_ERRORS[code] ?? (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]) ?? code;
  if (path !== undefined) return `${path} ${FILE_ERRORS[code] ? meaning : `cannot be used: ${meaning}`}.`;
  const where = address === undefined ? hostname : port === undefined ? address : `${address}:${port}`;
  return where === undefined ? `System error: ${meaning} (${code}).` : `${where} is not reachable: ${meaning}.`;
}

/**
 * The text for standard error, without a line break at the end. For a bug in the program it names the variable that prints the
 * stack; with `debug` the stack follows.
 */
export function errorText(error: unknown, debug: boolean): string {
  const stack = debug && error instanceof Error ? `\n${error.stack ?? ''}` : '';
  if (error instanceof Error && OPERATOR_ERRORS.includes(error.name)) return `${error.message}${stack}`;
  const system = error instanceof Error ? systemErrorText(error) : null;
  if (system !== null) return `${system}${stack}`;
  const [first = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  const hint = debug ? '' : ' For the stack, run the command again with ISTHMUS_LOG=debug.';
  return `Internal error in Isthmus: ${first || 'no message'}${/[.!?]$/.test(first) ? '' : '.'}${hint}${stack}`;
}
