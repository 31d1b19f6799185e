/** Which processes of a demo are left, wherever they hang in the tree: by a mark in their environment, or by its folder. Linux. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface Left {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** The variable that every process of a trial inherits, except PostgreSQL's, which get a clean environment and are known by their folder. */
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

/** Living processes with this mark, or at work in this folder. One that has ended and waits for its parent does not count. */
export function processesOf(mark: string, folder: string): Left[] {
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

/** Milliseconds until none was left; null when some still are after `most`. */
export async function untilNoneLeft(mark: string, folder: string, most: number): Promise<number | null> {
  for (const began = Date.now(); Date.now() - began < most; ) {
    if (processesOf(mark, folder).length === 0) return Date.now() - began;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return null;
}
