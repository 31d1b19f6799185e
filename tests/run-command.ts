/** Runs the real `isthmus` program in this process: its exit, its output and its folder are caught. */
import { readdirSync } from 'node:fs';
import { makeProgram } from '../gateway/commands/program.ts';

/** What a command has done. */
export interface Ran {
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

/** How long a command may take that is given something wrong, in milliseconds. */
const PATIENCE = 30_000;

/**
 * Runs `isthmus ARGS...` in `folder` with those variables beside PATH and HOME alone. Rejects when it has not ended after 30 s.
 * One at a time: the process has one current folder.
 */
export async function runCommand(
  args: readonly string[],
  folder: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const [cwd, environment, exit] = [process.cwd(), process.env, process.exit];
  const written = { out: '', err: '' };
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
  // Any free port: the usual one may be another program's.
  process.env = { PATH: environment['PATH'], HOME: environment['HOME'], PORT: '0', ...variables };
  process.chdir(folder);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`isthmus ${args.join(' ')} has not ended`)), PATIENCE);
  });
  try {
    await Promise.race([makeProgram('0').parseAsync(['node', 'isthmus', ...args]), late]);
    return { code: 0, ...written };
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    return { code: error.code, ...written };
  } finally {
    clearTimeout(timer);
    for (const restore of writes) restore();
    process.exit = exit;
    process.env = environment;
    process.chdir(cwd);
  }
}

/** What is wrong with how a command has refused what it was given in `folder`, which must stay empty; empty: nothing. */
export function complaints({ code, out, err }: Ran, folder: string): string[] {
  const said = `${out}\n${err}`;
  return [
    ...(code === 0 ? ['code 0'] : []),
    ...(err.trim() === '' && out.trim() === '' ? ['no sentence'] : []),
    ...(/^\s+at .*[:(]/m.test(said) ? ['a stack'] : []),
    ...(/node:internal/.test(said) ? ['node:internal'] : []),
    ...(/\b[A-Z]\w*Error\b/.test(said) ? ['a class name'] : []),
    ...(/Unexpected fault/.test(said) ? ['an unexpected fault'] : []),
    ...(/\[object |undefined/.test(said) ? ['a value that is no text'] : []),
    ...readdirSync(folder).map((name) => `made ${name}`),
  ];
}
