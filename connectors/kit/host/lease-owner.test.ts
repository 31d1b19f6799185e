import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { acquireLease } from '../../../schema/database/processes/leases.ts';
import { createLog } from '../log.ts';
import { createTestDatabase } from '../testing/test-database.ts';
import { JobRunner } from './job-runner.ts';
import { createLeaseOwner, isDeadOwner } from './lease-owner.ts';
import { ProcessLeases } from './process-leases.ts';

/** The owner name of a process with that PID on this machine. */
const ownerOf = (pid: number | undefined) => createLeaseOwner().replace(/:\d+:\d+$/, `:${pid}:1`);

test.runIf(existsSync('/proc/self/ns/pid'))(
  'a lease of a dead process of this machine is acquired at once, any other is not',
  async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const living = ownerOf(child.pid);
    expect(isDeadOwner(living)).toBe(false);
    expect(isDeadOwner(createLeaseOwner())).toBe(false);
    const database = await createTestDatabase();
    const runs = new AbortController();
    const runner = new JobRunner({
      name: 'island',
      jobs: [{ name: 'poll', every: 60_000, run: async () => undefined }],
      leases: new ProcessLeases({ database }),
      log: createLog(() => undefined),
      signal: runs.signal,
      onOutcome: () => undefined,
    });
    try {
      await acquireLease(database.plain, 'island', living, 3_600_000);
      await expect(runner.runNow('poll')).rejects.toThrow('Another process holds the lease');
      child.kill('SIGKILL');
      await ended;
      expect(isDeadOwner(living)).toBe(true);
      // The same PID on another machine or in another container is another process.
      expect(isDeadOwner(`elsewhere${living}`)).toBe(false);
      expect(isDeadOwner('elsewhere:1:1')).toBe(false);
      await runner.runNow('poll');
      expect(runner.holdsLease).toBe(true);
    } finally {
      child.kill('SIGKILL');
      await runner.stop();
      await database.drop();
    }
  },
);
