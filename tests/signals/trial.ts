/** One trial: runs `npm start` in its own process group, sends signals, and checks that nothing is left. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { MARK, processesOf, waitForExit } from './processes.ts';
import type { Workspace } from './workspace.ts';

/** Receiver of a signal. `terminal`: closes the terminal in which npm was started. */
export type Target = 'npm' | 'hub' | 'group' | 'terminal';
export interface SignalStep {
  readonly signal: NodeJS.Signals;
  readonly target: Target;
  /** Milliseconds after the previous signal; for the first, after the moment. */
  readonly after: number;
}
/** When the first signal is sent: milliseconds after the start, or after the hub is up. */
export type Moment = { readonly of: 'start' | 'up'; readonly after: number };

export interface Trial {
  readonly moment: Moment;
  readonly signals: readonly SignalStep[];
  readonly data: string;
  readonly port: number;
}

export interface Outcome {
  /** The last step printed when the first signal was sent. */
  readonly step: string;
  /** How npm exited: its code, or the signal. */
  readonly exit: string;
  /** Milliseconds from the last signal until no process was left; null if some are. */
  readonly exitMs: number | null;
  /** Violations; empty if there are none. */
  readonly violations: readonly string[];
  readonly transcript: string;
}

/** Maximum duration of a shutdown on a busy machine, in milliseconds. */
const LONGEST_END = 75_000;
/** Maximum duration of a start, in milliseconds. */
const LONGEST_START = 240_000;

/** A started demo with its output. */
export class Demo {
  readonly mark = randomUUID();
  readonly child: ChildProcess;
  readonly #folder: string;
  readonly #lines: string[] = [];
  readonly #began = performance.now();
  /** Resolves with its exit code, or the signal. */
  readonly ended: Promise<string>;

  constructor(place: Workspace, data: string, port: number, terminal = false) {
    this.#folder = data;
    const [program, args] = terminal ? ['script', ['-qec', 'npm start', '/dev/null']] : ['npm', ['start']];
    this.child = spawn(program as string, args as string[], {
      cwd: place.sources,
      env: { ...process.env, ...place.env, [MARK]: this.mark, PORT: String(port), ISTHMUS_DATA: data },
      ...(place.user ? { uid: place.user.uid, gid: place.user.gid } : {}),
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (part: Buffer) => this.note(part.toString().trimEnd()));
    this.ended = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => resolve(signal ?? String(code)));
    });
    const clear = () => this.killRemaining();
    process.once('exit', clear);
    void this.ended.then(() => process.off('exit', clear));
  }

  note(text: string): void {
    const at = ((performance.now() - this.#began) / 1000).toFixed(2);
    for (const line of text.split('\n')) this.#lines.push(`${at.padStart(7)}  ${line}`);
  }

  get transcript(): string {
    return this.#lines.join('\n');
  }

  get up(): boolean {
    return this.transcript.includes('Isthmus is up after');
  }

  /** The last step printed: `npm`, a start-up step, `up` or `stopping`. */
  get step(): string {
    if (this.transcript.includes('Stopping')) return 'stopping';
    if (this.up) return 'up';
    return [...this.transcript.matchAll(/\[ *[\d.]+ s\] ([a-z ]+):/g)].at(-1)?.[1] ?? 'npm';
  }

  /** Duration of the start as printed, in seconds; null if it is not up. */
  get seconds(): number | null {
    const printed = /Isthmus is up after ([\d.]+) s/.exec(this.transcript)?.[1];
    return printed === undefined ? null : Number(printed);
  }

  /** Waits until it is up or has exited. */
  async waitUntilUp(): Promise<void> {
    for (const began = Date.now(); !this.up && Date.now() - began < LONGEST_START; await pause(20))
      if (this.child.exitCode !== null || this.child.signalCode !== null) return;
  }

  send({ signal, target }: SignalStep): void {
    const npm = this.child.pid as number;
    const hub = () =>
      processesOf(this.mark, this.#folder).find((one) => one.parent === npm && /bin\/start\.js/.test(one.command))?.pid;
    if (target === 'terminal') {
      this.note('>>> the terminal is closed');
      this.child.kill('SIGKILL');
      return;
    }
    const to = target === 'npm' ? npm : target === 'group' ? -npm : (hub() ?? npm);
    this.note(`>>> ${signal} to ${target}${target === 'hub' && to === npm ? ' (not running yet: sent to npm)' : ''}`);
    try {
      process.kill(to, signal);
    } catch {
      this.note('    (already exited)');
    }
  }

  /** Kills remaining processes and removes locks before the next trial. */
  killRemaining(): void {
    for (const one of processesOf(this.mark, this.#folder)) {
      try {
        process.kill(one.pid, 'SIGKILL');
      } catch {
        // Already exited.
      }
    }
    for (const path of locksIn(this.#folder)) rmSync(path, { force: true });
  }

  waitUntilGone = (): Promise<number | null> => waitForExit(this.mark, this.#folder, LONGEST_END);
  left = () => processesOf(this.mark, this.#folder);
}

export async function runTrial(place: Workspace, trial: Trial): Promise<Outcome> {
  const { moment, signals: shots, data, port } = trial;
  const violations: string[] = [];
  const demo = new Demo(
    place,
    data,
    port,
    shots.some((shot) => shot.target === 'terminal'),
  );
  if (moment.of === 'up') {
    await demo.waitUntilUp();
    if (!demo.up) violations.push('the hub did not come up');
  }
  await pause(moment.after);
  const { step } = demo;
  for (const shot of shots) {
    await pause(shot.after);
    demo.send(shot);
  }
  const exitMs = await demo.waitUntilGone();
  const killed = shots.some((shot) => shot.signal === 'SIGKILL');
  if (!killed) violations.push(...leftFiles(data));
  if (exitMs === null) {
    for (const one of demo.left())
      violations.push(`left: ${one.pid} (parent ${one.parent}) ${one.command.slice(0, 160)}`);
    demo.killRemaining();
  }
  const end = await demo.ended;
  if (/\n\s+at .*:\d+:\d+\)?$/m.test(demo.transcript)) violations.push('a stack trace was printed');
  if (!(await isFree(port))) violations.push(`port ${port} is still in use`);
  return { step, exit: end, exitMs: exitMs, violations: violations, transcript: demo.transcript };
}

/** Starts the demo again, queries it, and stops it with SIGTERM. Returns violations and the duration of the start. */
export async function restartAndQuery(
  place: Workspace,
  data: string,
  port: number,
): Promise<{ faults: string[]; seconds: number | null; transcript: string }> {
  const demo = new Demo(place, data, port);
  const violations: string[] = [];
  await demo.waitUntilUp();
  if (demo.up) {
    const answer = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ companies(first: 1) { nodes { uscc name } } sources { id state } }' }),
    }).then(
      (response) => response.text(),
      (error: Error) => error.message,
    );
    demo.note(answer.slice(0, 300));
    if (!/"uscc":"/.test(answer)) violations.push('the restarted hub does not answer the query');
  } else violations.push('the restarted hub does not come up');
  demo.send({ signal: 'SIGTERM', target: 'npm', after: 0 });
  if ((await demo.waitUntilGone()) === null) {
    violations.push('the restarted hub does not stop');
    demo.killRemaining();
  }
  const end = await demo.ended;
  if (end !== '0') violations.push(`the shutdown ended with ${end} instead of 0`);
  violations.push(...leftFiles(data));
  return { faults: violations, seconds: demo.seconds, transcript: demo.transcript };
}

/** Lock files of processes that no longer run. */
const leftFiles = (data: string): string[] =>
  locksIn(data).map((path) => `left: ${path}: ${readFileSync(path, 'utf8').slice(0, 100)}`);

function locksIn(data: string): string[] {
  const databases = [join(data, 'database'), join(data, 'simulators', 'access-control', 'database')];
  return databases.flatMap((folder) =>
    ['hub.lock', 'data/postmaster.pid'].map((file) => join(folder, file)).filter((path) => existsSync(path)),
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
