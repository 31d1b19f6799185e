/** Who holds a lease: a process, so named that its heir on the same machine can tell whether it still lives. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** This machine since its last start, and the processes that see one another's numbers (a container's own); empty where the system tells neither. */
function placeOf(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot}:${readlinkSync('/proc/self/ns/pid').replace(/\D/g, '')}`;
  } catch {
    return '';
  }
}

const place = placeOf();
const owned = (pid: number): string => `${hostname()}:${place}:${pid}:`;
let number = 1;

/** A name that no other holder has. */
export const newOwner = (): string => `${owned(process.pid)}${number++}`;

/** Whether that holder was a process of this place that is no more. False where it cannot be known: then the lease runs out. */
export function isGone(owner: string): boolean {
  const pid = Number(/:(\d+):\d+$/.exec(owner)?.[1]);
  if (place === '' || !pid || !owner.startsWith(owned(pid))) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
