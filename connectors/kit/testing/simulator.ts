/** What every simulator is: a pretend legacy system with a state folder, a journal of what it served, and a start and an end. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { type Moment, story, type World } from './park/index.ts';

export interface SimulatorOptions {
  /** Its own folder: state that survives a restart, and the journal. Exists. */
  readonly directory: string;
  readonly world: World;
  /** The only clock it may ask. */
  now(): Date;
  /** How much of the past it holds, in milliseconds: 60 days in the demo, little in tests. */
  readonly history: number;
  /** Ports of its former life by the names it gave them, so that a restart listens on the same ones. */
  readonly ports?: Readonly<Record<string, number>>;
  /** Tell the story in real time; false: the past only. */
  readonly live: boolean;
  /** Interrupts a start that takes long; it then rejects, and no process of it is left. */
  readonly signal?: AbortSignal;
}

/** A simulator that answers. */
export interface Running {
  /** Where it listens, by name, such as `http` or `modbus-1`. Loopback. */
  readonly ports: Readonly<Record<string, number>>;
  /** What isthmus.demo.yaml mentions, such as LAKESIDE_PARKING_URL and LAKESIDE_PARKING_TOKEN. */
  readonly env: Readonly<Record<string, string>>;
  /** Idempotent; leaves no timer, socket or process. */
  close(): Promise<void>;
}

export interface Simulator {
  /** The connector's name. */
  readonly name: string;
  /** Resolves once it answers on all its ports. */
  start(options: SimulatorOptions): Promise<Running>;
}

/** One line of a journal: what was served and when. */
export interface JournalEntry {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** What was asked or told, in the simulator's words, such as `GET /sessions` or `webhook`. */
  readonly operation: string;
  readonly [detail: string]: unknown;
}

const FILE = 'journal.jsonl';
const BEFORE = 'journal.1.jsonl';

/**
 * The truth about what a simulator served, as JSON lines. Written at once, so that nothing is lost when the process is
 * killed; bounded to two files, of which the older is dropped.
 */
export class Journal {
  readonly #directory: string;
  readonly #limit: number;
  #size: number;

  /** @param limit bytes of one file */
  constructor(directory: string, limit = 4 * 1024 * 1024) {
    mkdirSync(directory, { recursive: true });
    this.#directory = directory;
    this.#limit = limit;
    const path = join(directory, FILE);
    this.#size = existsSync(path) ? statSync(path).size : 0;
  }

  /** Adds a line; `at` is now unless it is told. */
  append(entry: { readonly operation: string; readonly at?: Date | string; readonly [detail: string]: unknown }): void {
    const at = entry.at instanceof Date ? entry.at.toISOString() : (entry.at ?? new Date().toISOString());
    const line = `${JSON.stringify({ ...entry, at })}\n`;
    const path = join(this.#directory, FILE);
    if (this.#size > 0 && this.#size + line.length > this.#limit) {
      renameSync(path, join(this.#directory, BEFORE));
      this.#size = 0;
    }
    appendFileSync(path, line);
    this.#size += Buffer.byteLength(line);
  }

  /** All lines that are still there, oldest first; only those of one operation where one is named. */
  entries(operation?: string): JournalEntry[] {
    return readJournal(this.#directory, operation);
  }
}

/** The journal in a simulator's folder, also of another process; a line that is being written is left out. */
export function readJournal(directory: string, operation?: string): JournalEntry[] {
  return [BEFORE, FILE].flatMap((name) => {
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

/** How long the teller sleeps at most, so that a clock that is stepped is noticed. */
const NAP = 1_000;

/**
 * Follows the story from `from` (now, unless told otherwise) by one timer; moments come in order, each after `on` has
 * settled for the one before. Does nothing when `options.live` is false. A rejection of `on` is written to stderr and
 * the story goes on. After `stop()` nothing more is told, except what is under way.
 */
export function tellStory(
  options: Pick<SimulatorOptions, 'world' | 'now' | 'live'>,
  on: (moment: Moment) => void | Promise<void>,
  from: Date = options.now(),
): { stop(): void } {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let told = from;
  const tell = async () => {
    const until = new Date(Math.max(told.getTime(), options.now().getTime() + 1));
    for (const moment of story(options.world, told, until)) {
      if (stopped) return;
      try {
        await on(moment);
      } catch (error) {
        process.stderr.write(`The story stumbled: ${error instanceof Error ? error.message : String(error)}\n`);
      }
    }
    told = until;
    if (!stopped) timer = setTimeout(() => void tell(), pause());
  };
  /** Until the next moment, if one comes within a nap. */
  const pause = (): number => {
    const next = story(options.world, told, new Date(told.getTime() + NAP)).next();
    return next.done ? NAP : Math.max(5, next.value.at.getTime() - options.now().getTime());
  };
  if (options.live) timer = setTimeout(() => void tell(), 0);
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/**
 * Listens on loopback: on the port of the former life if there was one (waiting up to two seconds for it to become free),
 * else on a free one. Answers the port.
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
