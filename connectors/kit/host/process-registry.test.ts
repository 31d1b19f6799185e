import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { renewProcess, setConfiguration } from '../../../schema/database/processes/processes.ts';
import { digestOf, type Outline } from '../config/config-digest.ts';
import { makeLog } from '../log.ts';
import { freshDatabase } from '../testing/test-database.ts';
import { newOwner } from './lease-owner.ts';
import { Presence } from './process-registry.ts';

const ONE: Outline = { 'park lakeside': { name: 'a' } };
const TWO: Outline = { 'park lakeside': { name: 'b' } };
const THREE: Outline = { 'park hillside': { name: 'c' } };
let database: Awaited<ReturnType<typeof freshDatabase>>;
const lines: string[] = [];
const here: Presence[] = [];
beforeEach(async () => {
  database = await freshDatabase();
});
afterEach(async () => {
  await Promise.all(here.splice(0).map((one) => one.leave()));
  await database.drop();
});

async function join(outline: Outline, role = 'hub'): Promise<Presence> {
  const log = makeLog((line) => lines.push(line), 'info');
  const one = await Presence.join({ database, role, outline, log, pace: { lasts: 2_000, renew: 100 } });
  here.push(one);
  return one;
}
/** A process of another machine, or a dead one of this, that was given `outline`. */
async function other(owner: string, outline: Outline, milliseconds: number): Promise<void> {
  const row = { owner, role: 'hub', host: 'elsewhere', pid: 7, configuration: digestOf(outline) };
  await database.transaction(async (tx) => {
    await setConfiguration(tx, { digest: digestOf(outline), outline, setBy: 'the hub on elsewhere (process 7)' });
    await renewProcess(tx, row, milliseconds);
  });
}

test('processes with the same file are one hub; another file is refused by name until all have left', async () => {
  const first = await join(ONE);
  const second = await join(ONE, 'connector parking');
  expect([first.note, second.note]).toEqual([null, null]);
  await expect(join(THREE)).rejects.toMatchObject({
    name: 'PresenceRefused',
    message: expect.stringMatching(
      /^The database is in use by the hub on \S+ \(process \d+\) with another isthmus\.yaml \(only here: park hillside; only there: park lakeside\)\. .*DATABASE_URL/,
    ),
  });
  await first.leave();
  await expect(join(THREE)).rejects.toThrow('the connector parking on');
  await second.leave();
  await join(THREE);
});

test('a replica whose file is changed takes the others along: they are told once, and may follow or begin anew with the old file', async () => {
  const [first, second] = [await join(ONE), await join(ONE)];
  await first.change(TWO);
  expect([first.note, first.isBehind]).toEqual([null, false]);
  await expect
    .poll(() => second.note, { timeout: 10_000 })
    .toMatch(/changed elsewhere, by the hub on .* \(different: park lakeside \(name\)\)$/);
  const told = () => lines.filter((line) => line.includes('has been changed elsewhere')).length;
  const once = told();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(told()).toBe(once);
  // In the middle of a rolling change both files are known; a third is not.
  expect((await join(ONE)).isBehind).toBe(true);
  expect((await join(TWO)).isBehind).toBe(false);
  await expect(join(THREE)).rejects.toThrow('another isthmus.yaml');
  await second.change(TWO);
  expect(second.note).toBeNull();
});

test('a process of this machine that is dead is known at once, also one whose number has come again', async () => {
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  const dead = newOwner().replace(`:${process.pid}:`, `:${pid}:`);
  for (const owner of process.platform === 'linux' ? [dead, newOwner()] : [newOwner()]) {
    await other(owner, ONE, 60_000);
    const began = Date.now();
    const one = await join(THREE);
    expect(Date.now() - began).toBeLessThan(5_000);
    await one.leave();
  }
});

test('one of another machine is waited for until its row has run out, and refused for when it is renewed', async () => {
  await other('elsewhere:boot:1:7:1', ONE, 1_500);
  const one = await join(THREE);
  await one.leave();
  await other('elsewhere:boot:1:7:1', ONE, 3_000);
  const renewing = setInterval(() => void other('elsewhere:boot:1:7:1', ONE, 3_000), 500);
  await expect(join(TWO)).rejects.toThrow('the hub on elsewhere (process 7)');
  clearInterval(renewing);
});
