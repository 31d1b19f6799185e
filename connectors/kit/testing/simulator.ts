/** Base of all simulators: state folder, journal of served requests, scenario playback, start and stop. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { type Moment, scenario, type World } from './park/index.ts';

export interface SimulatorOptions {
  /** Existing folder for its journal and for state that survives a restart. */
  readonly directory: string;
  readonly world: World;
  /** The only clock it may use. */
  now(): Date;
  /** Length of the history that it serves, in milliseconds: 60 days in the demo, little in tests. */
  readonly history: number;
  /** Ports of its previous run by name, so that a restart listens on the same ones. */
  readonly ports?: Readonly<Record<string, number>>;
  /** Plays the scenario in real time; false: history only. */
  readonly live: boolean;
  /** Cancels a start: `start` rejects and leaves no process running. */
  readonly signal?: AbortSignal;
}

/** A started simulator. */
export interface RunningSimulator {
  /** Loopback ports by name, such as `http` or `modbus-1`. */
  readonly ports: Readonly<Record<string, number>>;
  /** Environment variables that isthmus.demo.yaml uses, such as LAKESIDE_PARKING_URL and LAKESIDE_PARKING_TOKEN. */
  readonly env: Readonly<Record<string, string>>;
  /** Idempotent; leaves no timer, socket or process. */
  close(): Promise<void>;
}

export interface Simulator {
  /** The connector's name. */
  readonly name: string;
  /** Resolves once it serves all its ports. */
  start(options: SimulatorOptions): Promise<RunningSimulator>;
}

/** One line of a journal: a served request or a sent message. */
export interface JournalEntry {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** In the simulator's terms, such as `GET /sessions` or `webhook`. */
  readonly operation: string;
  readonly [detail: string]: unknown;
}

const CURRENT_FILE = 'journal.jsonl';
const PREVIOUS_FILE = 'journal.1.jsonl';

/**
 * Journal of what a simulator served, as JSON lines. Written synchronously, so that nothing is lost when the process is killed.
 * Limited to two files; the older one is dropped.
 */
export class Journal {
  readonly #directory: string;
  readonly #limit: number;
  #size: number;

  /** @param limit maximum size of one file, in bytes */
  constructor(directory: string, limit = 4 * 1024 * 1024) {
    mkdirSync(directory, { recursive: true });
    this.#directory = directory;
    this.#limit = limit;
    const path = join(directory, CURRENT_FILE);
    this.#size = existsSync(path) ? statSync(path).size : 0;
  }

  /** Appends a line; `at` defaults to now. */
  append(entry: { readonly operation: string; readonly at?: Date | string; readonly [detail: string]: unknown }): void {
    const at = entry.at instanceof Date ? entry.at.toISOString() : (entry.at ?? new Date().toISOString());
    const line = `${JSON.stringify({ ...entry, at })}\n`;
    const path = join(this.#directory, CURRENT_FILE);
    if (this.#size > 0 && this.#size + line.length > this.#limit) {
      renameSync(path, join(this.#directory, PREVIOUS_FILE));
      this.#size = 0;
    }
    appendFileSync(path, line);
    this.#size += Buffer.byteLength(line);
  }

  /** All retained lines, oldest first; only those of `operation` where it is given. */
  entries(operation?: string): JournalEntry[] {
    return readJournal(this.#directory, operation);
  }
}

/** Reads the journal in a simulator's folder, also that of another process; skips an incomplete last line. */
export function readJournal(directory: string, operation?: string): JournalEntry[] {
  return [PREVIOUS_FILE, CURRENT_FILE].flatMap((name) => {
    const path = join(directory, name);
    if (!existsSync(path)) return [];
    const text = readFileSync(path, 'utf8');
    return text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as JournalEntry)
      .filter((entry) => operation === undefined || entry.operation === operation);
  });
}

/** Milliseconds. Maximum sleep during playback, so that a clock that is set forward is noticed. */
const MAX_SLEEP = 1_000;

/**
 * Plays the scenario from `from` (default: now) with one timer: calls `on` for each moment in order, after the previous call has
 * settled. Does nothing when `options.live` is false. A rejection of `on` is written to stderr and playback continues.
 * After `stop()` no further moment is played; a running call completes.
 */
export function playScenario(
  options: Pick<SimulatorOptions, 'world' | 'now' | 'live'>,
  on: (moment: Moment) => void | Promise<void>,
  from: Date = options.now(),
): { stop(): void } {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let playedUntil = from;
  const play = async () => {
    const until = new Date(Math.max(playedUntil.getTime(), options.now().getTime() + 1));
    for (const moment of scenario(options.world, playedUntil, until)) {
      if (stopped) return;
      try {
        await on(moment);
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        process.stderr.write(`Failed to play a moment of the scenario: ${message}\n`);
      }
    }
    playedUntil = until;
    if (!stopped) timer = setTimeout(() => void play(), pause());
  };
  /** Milliseconds until the next moment, at most the maximum sleep. */
  const pause = (): number => {
    const next = scenario(options.world, playedUntil, new Date(playedUntil.getTime() + MAX_SLEEP)).next();
    return next.done ? MAX_SLEEP : Math.max(5, next.value.at.getTime() - options.now().getTime());
  };
  if (options.live) timer = setTimeout(() => void play(), 0);
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/**
 * Listens on `port` (waiting up to two seconds for it to become free), or on a free port when it is 0 or stays occupied.
 * Returns the port.
 */
export async function listen(server: Server, port = 0, host = '127.0.0.1'): Promise<number> {
  const attempt = (wanted: number) =>
    new Promise<number>((resolve, reject) => {
      const settle = (end: () => void) => {
        server.off('error', failed).off('listening', listening);
        end();
      };
      const failed = (error: Error) => settle(() => reject(error));
      const listening = () => settle(() => resolve((server.address() as { port: number }).port));
      server.on('error', failed).on('listening', listening).listen(wanted, host);
    });
  for (let tries = 0; port !== 0 && tries < 20; tries++) {
    try {
      return await attempt(port);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  return attempt(0);
}
