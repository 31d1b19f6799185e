/** What a running hub and its database use while nobody asks: CPU and memory from /proc, transactions from PostgreSQL's statistics. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';

/** Clock ticks of /proc/<pid>/stat in a second; 100 on all Linux platforms that Node supports. */
const TICKS = 100;

export interface IdleCost {
  /** Duration of the measurement. */
  readonly seconds: number;
  /** Transactions a second of the hub's database, without those of this program. */
  readonly transactions: number;
  /** CPU seconds of the hub's process, and of all processes of its database. */
  readonly hubCpu: number;
  readonly databaseCpu: number;
  /** Bytes of memory that the hub's process uses. */
  readonly rss: number;
}

/** Fields of /proc/<pid>/stat after the name of the program; null if there is no such process. */
function statOf(pid: number): readonly string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

/** CPU seconds of a process and of its children that have ended. */
function cpuOf(pid: number): number {
  const stat = statOf(pid);
  return stat ? [11, 12, 13, 14].reduce((sum, i) => sum + Number(stat[i]), 0) / TICKS : 0;
}

/** CPU seconds of a process and of all its children. */
function cpuOfTree(pid: number): number {
  const children = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && statOf(Number(name))?.[1] === `${pid}`);
  return cpuOf(pid) + children.reduce((sum, child) => sum + cpuOf(Number(child)), 0);
}

function rssOf(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

/** Measures for that many seconds. `pid`: the hub's process. `postmaster`: the main process of its database. */
export async function measureIdle(
  database: pg.Client,
  { pid, postmaster, seconds }: { readonly pid: number; readonly postmaster: number; readonly seconds: number },
): Promise<IdleCost> {
  const take = async () => ({
    transactions: await transactionsOf(database),
    hub: cpuOf(pid),
    database: cpuOfTree(postmaster),
    at: performance.now(),
  });
  const before = await take();
  await pause(seconds * 1_000);
  const after = await take();
  const elapsed = (after.at - before.at) / 1_000;
  return {
    seconds: elapsed,
    // The first of the two queries is counted too.
    transactions: (after.transactions - before.transactions - 1) / elapsed,
    hubCpu: after.hub - before.hub,
    databaseCpu: after.database - before.database,
    rss: rssOf(pid),
  };
}

/** Transactions of the database so far, committed or rolled back. */
async function transactionsOf(database: pg.Client): Promise<number> {
  const { rows } = await database.query(
    `SELECT (xact_commit + xact_rollback)::float8 AS count FROM pg_stat_database WHERE datname = current_database()`,
  );
  return rows[0].count;
}

/** Process id of the main process of the database. */
export async function postmasterOf(database: pg.Client): Promise<number> {
  const { rows } = await database.query("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid");
  return rows[0].pid;
}
