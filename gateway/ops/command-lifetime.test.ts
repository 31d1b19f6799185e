import { type ChildProcess, spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { closesSoon } from './terminal.ts';

/** A program that lives by `runUntilStopped`; `up` is its start, `down` its stop. It says `exit` when what is done on exit is done. */
function program(
  up: string,
  down = '',
): { child: ChildProcess; said(): string; ended: Promise<number | string | null> } {
  const script = `
    import { runUntilStopped } from ${JSON.stringify(new URL('./command-lifetime.ts', import.meta.url).pathname)};
    import { setTimeout as pause } from 'node:timers/promises';
    const say = (text) => process.stdout.write(text + '\\n');
    process.on('exit', () => say('exit'));
    setInterval(() => {}, 1000);
    await runUntilStopped(async ({ signal, onReload }) => {
      say('starting');
      ${up}
      say('up');
      return async () => { ${down} };
    }, { say, reloads: true });`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part: Buffer) => (text += part.toString()));
  return {
    child,
    said: () => text,
    ended: new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code))),
  };
}
const STARTING = 'await pause(60_000, undefined, { signal });';

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s during the start interrupts it, and the process ends by it',
  async (by) => {
    const { child, said, ended } = program(STARTING);
    await expect.poll(said).toContain('starting');
    child.kill(by);
    expect(await ended).toBe(by);
    expect(said()).toBe('starting\nStopping: the start is interrupted.\nStopped.\nexit\n');
  },
);

test('a signal once it is up stops it in order, with code 0', async () => {
  const { child, said, ended } = program('', "await pause(50); say('down');");
  await expect.poll(said).toContain('up\n');
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
  expect(said()).toBe('starting\nup\nStopping: finishing what is under way.\ndown\nStopped.\nexit\n');
});

test('one Ctrl-C that npm hands on as well is one; a second one ends the process at once', async () => {
  const { child, said, ended } = program('', 'await pause(60_000);');
  await expect.poll(said).toContain('up\n');
  child.kill('SIGINT');
  await expect.poll(said).toContain('Stopping');
  child.kill('SIGINT');
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  expect(said()).not.toContain('exit');
  child.kill('SIGINT');
  expect(await ended).toBe('SIGINT');
  expect(said()).toContain('Ending at once.\nexit\n');
});

test('a fault of the start is thrown as it is', async () => {
  const { said, ended } = program("throw new Error('no space');");
  expect(await ended).toBe(1);
  expect(said()).toContain('Error: no space');
});

test('SIGHUP without a terminal means to read the files again', async () => {
  const { child, said, ended } = program("onReload(() => say('read again'));");
  await expect.poll(said).toContain('up\n');
  child.kill('SIGHUP');
  await expect.poll(said).toContain('read again');
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

test('a terminal that is closed a moment after SIGHUP is found closed', async () => {
  let looks = 0;
  expect(await closesSoon({ closed: () => ++looks > 2 })).toBe(true);
  expect(await closesSoon(null)).toBe(false);
});
