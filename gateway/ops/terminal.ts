/** Whether the terminal that a process was started in is still there: SIGHUP means two things, a closed terminal and "read your files again". */
import { closeSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';

/** How often, and how long after SIGHUP, it is looked for the terminal, in milliseconds: the system closes it a moment later. */
const LOOKS = [0, 100, 400, 1_500] as const;

/** The terminal of this process now; null when it has none, such as under systemd, in a container, or with `nohup`. */
export function ownTerminal(): { closed(): boolean } | null {
  const streams = [0, 1, 2].filter((one) => isatty(one));
  if (streams.length === 0) return null;
  const controlled = canOpen('/dev/tty');
  return { closed: () => streams.some((one) => !isatty(one)) || (controlled && !canOpen('/dev/tty')) };
}

/** Resolves with true once the terminal is found closed; with false when it is still there after two seconds. */
export async function closesSoon(terminal: { closed(): boolean } | null): Promise<boolean> {
  if (terminal === null) return false;
  for (const pause of LOOKS) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (terminal.closed()) return true;
  }
  return false;
}

function canOpen(path: string): boolean {
  try {
    closeSync(openSync(path, 'r'));
    return true;
  } catch {
    return false;
  }
}
