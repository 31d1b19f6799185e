/** One trial: `npm start` in its own process group, signals at one moment, and then nothing may be left of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { MARK, processesOf, untilNoneLeft } from './processes.ts';
import type { Workplace } from './workplace.ts';

/** `terminal`: the terminal in which npm was started is closed. */
export type Target = 'npm' | 'hub' | 'group' | 'terminal';
export interface Shot {
  readonly signal: NodeJS.Signals;
  readonly target: Target;
  /** Milliseconds after the one before; the first: after the moment. */
  readonly after: number;
}
/** When the first signal is sent: so long after the start, or after the hub is up. */
export type Moment = { readonly of: 'start' | 'up'; readonly after: number };

export interface Trial {
  readonly moment: Moment;
  readonly shots: readonly Shot[];
  readonly data: string;
  readonly port: number;
}

export interface Outcome {
  /** The step that was the last to be said when the first signal was sent. */
  readonly step: string;
  /** How npm ended: its code, or the signal. */
  readonly end: string;
  /** Milliseconds from the last signal until no process was left; null: some are. */
  readonly gone: number | null;
  /** What is wrong; empty when all is well. */
  readonly faults: readonly string[];
  readonly transcript: string;
}

/** How long an end may take, in milliseconds, on a machine that is busy. */
const LONGEST_END = 75_000;
/** How long a start may take, in milliseconds. */
const LONGEST_START = 240_000;

/** A started demo and what it has said. */
export class Demo {
  readonly mark = randomUUID();
  readonly child: ChildProcess;
  readonly #folder: string;
  readonly #lines: string[] = [];
  readonly #began = performance.now();
  /** Resolves with its code, or the signal. */
  readonly ended: Promise<string>;

  constructor(place: Workplace, data: string, port: number, terminal = false) {
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
    const clear = () => this.clear();
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

  /** What was said to be at work last. */
  get step(): string {
    if (this.transcript.includes('Stopping')) return 'stopping';
    if (this.up) return 'up';
    return [...this.transcript.matchAll(/\[ *[\d.]+ s\] ([a-z ]+):/g)].at(-1)?.[1] ?? 'npm';
  }

  /** Seconds that the start took, as it says itself; null when it is not up. */
  get seconds(): number | null {
    const said = /Isthmus is up after ([\d.]+) s/.exec(this.transcript)?.[1];
    return said === undefined ? null : Number(said);
  }

  /** Waits until it is up, or has ended. */
  async untilUp(): Promise<void> {
    for (const began = Date.now(); !this.up && Date.now() - began < LONGEST_START; await pause(20))
      if (this.child.exitCode !== null || this.child.signalCode !== null) return;
  }

  send({ signal, target }: Shot): void {
    const npm = this.child.pid as number;
    const hub = () =>
      processesOf(this.mark, this.#folder).find((one) => one.parent === npm && /bin\/start\.js/.test(one.command))?.pid;
    if (target === 'terminal') {
      this.note('>>> the terminal is closed');
      this.child.kill('SIGKILL');
      return;
    }
    const to = target === 'npm' ? npm : target === 'group' ? -npm : (hub() ?? npm);
    this.note(`>>> ${signal} to ${target}${target === 'hub' && to === npm ? ' (not there yet: npm)' : ''}`);
    try {
      process.kill(to, signal);
    } catch {
      this.note('    (it has ended)');
    }
  }

  /** Ends what is left, so that the next trial begins with nothing. */
  clear(): void {
    for (const one of processesOf(this.mark, this.#folder)) {
      try {
        process.kill(one.pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    }
    for (const path of locksIn(this.#folder)) rmSync(path, { force: true });
  }

  untilGone = (): Promise<number | null> => untilNoneLeft(this.mark, this.#folder, LONGEST_END);
  left = () => processesOf(this.mark, this.#folder);
}

export async function runTrial(place: Workplace, trial: Trial): Promise<Outcome> {
  const { moment, shots, data, port } = trial;
  const faults: string[] = [];
  const demo = new Demo(
    place,
    data,
    port,
    shots.some((one) => one.target === 'terminal'),
  );
  if (moment.of === 'up') {
    await demo.untilUp();
    if (!demo.up) faults.push('it did not come up');
  }
  await pause(moment.after);
  const { step } = demo;
  for (const shot of shots) {
    await pause(shot.after);
    demo.send(shot);
  }
  const gone = await demo.untilGone();
  const killed = shots.some((one) => one.signal === 'SIGKILL');
  if (!killed) faults.push(...leftFiles(data));
  if (gone === null) {
    for (const one of demo.left()) faults.push(`left: ${one.pid} (parent ${one.parent}) ${one.command.slice(0, 160)}`);
    demo.clear();
  }
  const end = await demo.ended;
  if (/\n\s+at .*:\d+:\d+\)?$/m.test(demo.transcript)) faults.push('a stack was printed');
  if (!(await isFree(port))) faults.push(`the port ${port} is not free`);
  return { step, end, gone, faults, transcript: demo.transcript };
}

/** Starts it once more, asks, and stops it in order. Answers what is wrong, and how long the start took. */
export async function startAgain(
  place: Workplace,
  data: string,
  port: number,
): Promise<{ faults: string[]; seconds: number | null; transcript: string }> {
  const demo = new Demo(place, data, port);
  const faults: string[] = [];
  await demo.untilUp();
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
    if (!/"uscc":"/.test(answer)) faults.push('the next start does not answer');
  } else faults.push('the next start does not come up');
  demo.send({ signal: 'SIGTERM', target: 'npm', after: 0 });
  if ((await demo.untilGone()) === null) {
    faults.push('the next start does not stop');
    demo.clear();
  }
  const end = await demo.ended;
  if (end !== '0') faults.push(`an orderly stop ended with ${end}, not 0`);
  faults.push(...leftFiles(data));
  return { faults, seconds: demo.seconds, transcript: demo.transcript };
}

/** Locks and notes of processes that are no more. */
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
