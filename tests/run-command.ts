/** Runs the `isthmus` program in this process and captures its exit code and output. */
import { readdirSync } from 'node:fs';
import { END_SIGNALS } from '../connectors/kit/signals.ts';
import { createProgram } from '../gateway/commands/program.ts';

/** Exit code and output of a command. */
export interface CommandResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

class Exit extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

/** Time limit for a command with invalid input, in milliseconds. */
const TIMEOUT = 30_000;

/**
 * Runs `isthmus ARGS...` in `folder` with only these variables, PATH and HOME. Rejects if it has not ended after 30 s.
 * Run one at a time: until it ends, it changes the folder, environment, exit and signal handlers of the process.
 */
export async function runCommand(
  args: readonly string[],
  folder: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const [cwd, environment, exit] = [process.cwd(), process.env, process.exit];
  const written = { out: '', err: '' };
  const signalHandlers = END_SIGNALS.map((signal) => ({ signal, handlers: process.listeners(signal) }));
  const writes = [process.stdout, process.stderr].map((stream, i) => {
    const { write } = stream;
    stream.write = ((text: string | Uint8Array) => {
      written[i === 0 ? 'out' : 'err'] += String(text);
      return true;
    }) as typeof stream.write;
    return () => {
      stream.write = write;
    };
  });
  process.exit = ((code?: number) => {
    throw new Exit(code ?? 0);
  }) as typeof process.exit;
  // Any free port: the default one may be in use.
  process.env = { PATH: environment['PATH'], HOME: environment['HOME'], PORT: '0', ...variables };
  process.chdir(folder);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`isthmus ${args.join(' ')} has not ended`)), TIMEOUT);
  });
  try {
    await Promise.race([createProgram('0').parseAsync(['node', 'isthmus', ...args]), late]);
    return { code: 0, ...written };
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    return { code: error.code, ...written };
  } finally {
    clearTimeout(timer);
    for (const restore of writes) restore();
    for (const { signal, handlers } of signalHandlers) {
      process.removeAllListeners(signal);
      for (const handler of handlers) process.on(signal, handler);
    }
    process.exit = exit;
    process.env = environment;
    process.chdir(cwd);
  }
}

/** Violations in how a command rejected its input: it must exit with 1, print a message without internals, and leave `folder` empty. */
export function rejectionProblems({ code, out, err }: CommandResult, folder: string): string[] {
  const output = `${out}\n${err}`;
  return [
    ...(code === 0 ? ['code 0'] : []),
    ...(err.trim() === '' && out.trim() === '' ? ['no message'] : []),
    ...(/^\s+at .*[:(]/m.test(output) ? ['a stack'] : []),
    ...(/node:internal/.test(output) ? ['node:internal'] : []),
    ...(/\b[A-Z]\w*Error\b/.test(output) ? ['a class name'] : []),
    ...(/Internal error in Isthmus/.test(output) ? ['an internal error'] : []),
    ...(/\[object |undefined/.test(output) ? ['a value that is not text'] : []),
    ...readdirSync(folder).map((name) => `created ${name}`),
  ];
}
