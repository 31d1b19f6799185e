import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { renewProcess, setConfiguration } from '../../../schema/database/processes/processes.ts';
import { type ConfigHashes, configDigest } from '../config/config-digest.ts';
import { createLog } from '../log.ts';
import { createTestDatabase } from '../testing/test-database.ts';
import { createLeaseOwner } from './lease-owner.ts';
import { ProcessRegistration } from './process-registry.ts';

const ONE: ConfigHashes = { 'park lakeside': { name: 'a' } };
const TWO: ConfigHashes = { 'park lakeside': { name: 'b' } };
const THREE: ConfigHashes = { 'park hillside': { name: 'c' } };
let database: Awaited<ReturnType<typeof createTestDatabase>>;
const lines: string[] = [];
const here: ProcessRegistration[] = [];
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  await Promise.all(here.splice(0).map((one) => one.unregister()));
  await database.drop();
});

async function join(outline: ConfigHashes, role = 'hub'): Promise<ProcessRegistration> {
  const log = createLog((line) => lines.push(line), 'info');
  const one = await ProcessRegistration.register({
    database,
    role,
    hashes: outline,
    log,
    timing: { lifetime: 2_000, renewInterval: 100 },
  });
  here.push(one);
  return one;
}
/** A process of another machine, or a dead one of this, that was given `outline`. */
async function other(owner: string, outline: ConfigHashes, milliseconds: number): Promise<void> {
  const row = { owner, role: 'hub', host: 'elsewhere', pid: 7, configuration: configDigest(outline) };
  await database.transaction(async (tx) => {
    await setConfiguration(tx, { digest: configDigest(outline), outline, setBy: 'the hub on elsewhere (process 7)' });
    await renewProcess(tx, row, milliseconds);
  });
}

test('rejects a process with a different file until all others have unregistered', async () => {
  const first = await join(ONE);
  const second = await join(ONE, 'connector parking');
  expect([first.outdatedMessage, second.outdatedMessage]).toEqual([null, null]);
  await expect(join(THREE)).rejects.toMatchObject({
    name: 'ProcessRejectedError',
    message: expect.stringMatching(
      /^The database is in use by the hub on \S+ \(process \d+\) with a different isthmus\.yaml \(only here: park hillside; only there: park lakeside\)\. .*DATABASE_URL/,
    ),
  });
  await first.unregister();
  await expect(join(THREE)).rejects.toThrow('the connector parking on');
  await second.unregister();
  await join(THREE);
});

test('process registry: logs once that another process has a newer file, and accepts either file', async () => {
  const [first, second] = [await join(ONE), await join(ONE)];
  await first.setConfiguration(TWO);
  expect([first.outdatedMessage, first.isOutdated]).toEqual([null, false]);
  await expect
    .poll(() => second.outdatedMessage, { timeout: 10_000 })
    .toMatch(/^isthmus.yaml was changed in the hub on .* \(different: park lakeside \(name\)\)$/);
  const warnings = () => lines.filter((line) => line.includes('isthmus.yaml was changed in')).length;
  const before = warnings();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(warnings()).toBe(before);
  // During a rolling change both files are accepted; a third is not.
  expect((await join(ONE)).isOutdated).toBe(true);
  expect((await join(TWO)).isOutdated).toBe(false);
  await expect(join(THREE)).rejects.toThrow('a different isthmus.yaml');
  await second.setConfiguration(TWO);
  expect(second.outdatedMessage).toBeNull();
});

test('process registry: does not wait for a dead process of this machine, also when its PID is ours', async () => {
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  const dead = createLeaseOwner().replace(`:${process.pid}:`, `:${pid}:`);
  for (const owner of process.platform === 'linux' ? [dead, createLeaseOwner()] : [createLeaseOwner()]) {
    await other(owner, ONE, 60_000);
    const began = Date.now();
    const one = await join(THREE);
    expect(Date.now() - began).toBeLessThan(5_000);
    await one.unregister();
  }
});

test('process registry: waits for the row of another machine to expire, and rejects if it is renewed', async () => {
  await other('elsewhere:boot:1:7:1', ONE, 1_500);
  const one = await join(THREE);
  await one.unregister();
  await other('elsewhere:boot:1:7:1', ONE, 3_000);
  const renewing = setInterval(() => void other('elsewhere:boot:1:7:1', ONE, 3_000), 500);
  await expect(join(TWO)).rejects.toThrow('the hub on elsewhere (process 7)');
  clearInterval(renewing);
});
