/** Detects whether the process's terminal was closed: SIGHUP means either that, or "reload the configuration". */
import { closeSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';

/** Milliseconds between checks after SIGHUP, since the system closes the terminal a moment later. */
const CHECK_DELAYS = [0, 100, 400, 1_500] as const;

/** The terminal of this process; null when it has none, as under systemd, in a container, or with `nohup`. */
export function controllingTerminal(): { closed(): boolean } | null {
  const streams = [0, 1, 2].filter((fd) => isatty(fd));
  if (streams.length === 0) return null;
  const hasTerminal = canOpen('/dev/tty');
  return { closed: () => streams.some((fd) => !isatty(fd)) || (hasTerminal && !canOpen('/dev/tty')) };
}

/** Resolves with true once the terminal is closed, with false if it is still open after two seconds. */
export async function closesSoon(terminal: { closed(): boolean } | null): Promise<boolean> {
  if (terminal === null) return false;
  for (const delay of CHECK_DELAYS) {
    await new Promise((resolve) => setTimeout(resolve, delay));
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
