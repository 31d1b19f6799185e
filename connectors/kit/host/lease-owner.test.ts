import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { takeLease } from '../../../schema/database/processes/leases.ts';
import { makeLog } from '../log.ts';
import { freshDatabase } from '../testing/test-database.ts';
import { JobRunner } from './job-runner.ts';
import { isGone, newOwner } from './lease-owner.ts';

/** The name that a process of that number would have here. */
const ownerOf = (pid: number | undefined) => newOwner().replace(/:\d+:\d+$/, `:${pid}:1`);

test.runIf(existsSync('/proc/self/ns/pid'))(
  'the lease of a dead process of this machine is free at once, of any other not, where /proc is',
  async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const living = ownerOf(child.pid);
    expect(isGone(living)).toBe(false);
    expect(isGone(newOwner())).toBe(false);
    const database = await freshDatabase();
    const runs = new AbortController();
    const runner = new JobRunner({
      name: 'island',
      jobs: [{ name: 'poll', every: 60_000, run: async () => undefined }],
      database,
      log: makeLog(() => undefined),
      owner: newOwner(),
      signal: runs.signal,
      outcome: () => undefined,
    });
    try {
      await takeLease(database.plain, 'island', living, 3_600_000);
      await expect(runner.once('poll')).rejects.toThrow('Another process holds the lease');
      child.kill('SIGKILL');
      await ended;
      expect(isGone(living)).toBe(true);
      // The same number on another machine, or in another container, says nothing.
      expect(isGone(`elsewhere${living}`)).toBe(false);
      expect(isGone('elsewhere:1:1')).toBe(false);
      await runner.once('poll');
      expect(runner.holding).toBe(true);
    } finally {
      child.kill('SIGKILL');
      await runner.stop();
      await database.drop();
    }
  },
);
