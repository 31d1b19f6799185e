/** Names the holder of a lease: a process. Another process on the same machine can tell from the name whether it is dead. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Boot id and PID namespace of this machine or container; empty where the system provides neither. */
function readMachineId(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot}:${readlinkSync('/proc/self/ns/pid').replace(/\D/g, '')}`;
  } catch {
    return '';
  }
}

const machineId = readMachineId();
const ownerPrefix = (pid: number): string => `${hostname()}:${machineId}:${pid}:`;
let nextNumber = 1;

/** A unique owner name: host, machine id, PID and a number. */
export const createLeaseOwner = (): string => `${ownerPrefix(process.pid)}${nextNumber++}`;

/** Whether the owner was a process of this machine that no longer exists. False if unknown: its lease then expires by time. */
export function isDeadOwner(owner: string): boolean {
  const pid = Number(/:(\d+):\d+$/.exec(owner)?.[1]);
  if (machineId === '' || !pid || !owner.startsWith(ownerPrefix(pid))) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
