import { type ChildProcess, spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { closesSoon } from './terminal.ts';

/** A program that runs by `runUntilStopped`, with the code of its start and stop. It prints `exit` in a handler of `exit`. */
function program(
  startCode: string,
  stopCode = '',
): { child: ChildProcess; output(): string; ended: Promise<number | string | null> } {
  const script = `
    import { runUntilStopped } from ${JSON.stringify(new URL('./command-lifetime.ts', import.meta.url).pathname)};
    import { setTimeout as pause } from 'node:timers/promises';
    const print = (text) => process.stdout.write(text + '\\n');
    process.on('exit', () => print('exit'));
    setInterval(() => {}, 1000);
    await runUntilStopped(async ({ signal, onReload }) => {
      print('starting');
      ${startCode}
      print('up');
      return async () => { ${stopCode} };
    }, { print, reloads: true });`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part: Buffer) => (text += part.toString()));
  return {
    child,
    output: () => text,
    ended: new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code))),
  };
}
const STARTING = 'await pause(60_000, undefined, { signal });';

test.each(['SIGINT', 'SIGTERM'] as const)(
  'command lifetime: interrupts the start on %s and ends by the signal',
  async (signal) => {
    const { child, output, ended } = program(STARTING);
    await expect.poll(output).toContain('starting');
    child.kill(signal);
    expect(await ended).toBe(signal);
    expect(output()).toBe('starting\nStopping: interrupting the start.\nStopped.\nexit\n');
  },
);

test('command lifetime: stops in order with code 0 on a signal after the start', async () => {
  const { child, output, ended } = program('', "await pause(50); print('down');");
  await expect.poll(output).toContain('up\n');
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
  expect(output()).toBe('starting\nup\nStopping: waiting for requests in progress.\ndown\nStopped.\nexit\n');
});

test('command lifetime: a second Ctrl-C ends it immediately, one that npm forwards does not', async () => {
  const { child, output, ended } = program('', 'await pause(60_000);');
  await expect.poll(output).toContain('up\n');
  child.kill('SIGINT');
  await expect.poll(output).toContain('Stopping');
  child.kill('SIGINT');
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  expect(output()).not.toContain('exit');
  child.kill('SIGINT');
  expect(await ended).toBe('SIGINT');
  expect(output()).toContain('Ending immediately.\nexit\n');
});

test('command lifetime: throws an error of the start unchanged', async () => {
  const { output, ended } = program("throw new Error('no space');");
  expect(await ended).toBe(1);
  expect(output()).toContain('Error: no space');
});

test('command lifetime: reloads on SIGHUP without a terminal', async () => {
  const { child, output, ended } = program("onReload(() => print('read again'));");
  await expect.poll(output).toContain('up\n');
  child.kill('SIGHUP');
  await expect.poll(output).toContain('read again');
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

test('command lifetime: detects a terminal that is closed shortly after SIGHUP', async () => {
  let looks = 0;
  expect(await closesSoon({ closed: () => ++looks > 2 })).toBe(true);
  expect(await closesSoon(null)).toBe(false);
});
