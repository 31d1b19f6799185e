/** Finds processes left behind by a demo, anywhere in the process tree, by a marker in their environment or by its folder (Linux only). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** The environment variable that every process of a trial inherits. PostgreSQL has a clean environment and is found by its folder. */
export const MARK = 'ISTHMUS_MARK';

const read = (path: string): string => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
};
const folderOf = (pid: string): string => {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
};

/** Running processes with this marker, or with this folder as argument or working directory; zombies are excluded. */
export function processesOf(mark: string, folder: string): ProcessInfo[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      const stat = read(`/proc/${pid}/stat`);
      const [state = 'Z', parent = '0'] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z' || state === 'X') return [];
      const command = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
      const marked = read(`/proc/${pid}/environ`).includes(`${MARK}=${mark}`);
      if (!marked && !command.includes(`${folder}/`) && !folderOf(pid).startsWith(`${folder}/`)) return [];
      return [{ pid: Number(pid), parent: Number(parent), command }];
    });
}

/** Milliseconds until no process was left; null if some are still running after `most`. */
export async function waitForExit(mark: string, folder: string, limit: number): Promise<number | null> {
  for (const began = Date.now(); Date.now() - began < limit; ) {
    if (processesOf(mark, folder).length === 0) return Date.now() - began;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return null;
}
