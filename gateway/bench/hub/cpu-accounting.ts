/** CPU time and memory of processes, from the operating system (/proc). Linux only. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Ticks of /proc are hundredths of a second on every Linux that Node runs on. */
const MILLISECONDS_PER_TICK = 10;

/** The parts of /proc/PID/stat that count. CPU in milliseconds. */
export interface ProcessTimes {
  readonly parent: number;
  /** Of the process with all its threads. */
  readonly own: number;
  /** Of its children that have ended and were waited for. */
  readonly endedChildren: number;
}

/** Reads the text of /proc/PID/stat. The name in parentheses may contain spaces and parentheses. */
export function parseStat(text: string): ProcessTimes {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = (index: number): number => Number(fields[index]) * MILLISECONDS_PER_TICK;
  return { parent: Number(fields[1]), own: ticks(11) + ticks(12), endedChildren: ticks(13) + ticks(14) };
}

/** Whether this system has /proc. */
export const hasProcessAccounting = (): boolean => existsSync('/proc/self/stat');

function readTimes(pid: number | string): ProcessTimes | null {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    // It has ended.
    return null;
  }
}

/** CPU milliseconds of one process. Throws if it has ended. */
export function cpuOfProcess(pid: number): number {
  const times = readTimes(pid);
  if (!times) throw new Error(`Process ${pid} has ended during the measurement.`);
  return times.own;
}

/** Ids of the processes whose parent is `pid`. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && readTimes(name)?.parent === pid)
    .map(Number);
}

/**
 * CPU milliseconds of a PostgreSQL cluster: its postmaster, all backends and background processes, also those that have ended. Throws if
 * the postmaster has ended.
 */
export function cpuOfCluster(postmaster: number): number {
  // Children first: one that ends in between is counted once too few rather than twice.
  const living = childrenOf(postmaster).reduce((sum, pid) => sum + (readTimes(pid)?.own ?? 0), 0);
  const times = readTimes(postmaster);
  if (!times) throw new Error(`PostgreSQL (process ${postmaster}) has ended during the measurement.`);
  return living + times.own + times.endedChildren;
}

/** The process and all its descendants. */
export function processTree(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(processTree)];
}

/** Proportional set size of a process in bytes: its memory, with its share of what it shares. 0 if it has ended. */
export function memoryOfProcess(pid: number): number {
  try {
    const kilobytes = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
    return Number(kilobytes ?? 0) * 1_024;
  } catch {
    return 0;
  }
}
