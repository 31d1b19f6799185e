/**
 * This process among those that work on the database. Processes with the same isthmus.yaml are parts of one hub; one with another file
 * is refused while any of them is alive. A replica whose running file is changed takes the others along: they are told to follow.
 */
import { hostname } from 'node:os';
import type { Database, Tx } from '../../../schema/database/database.ts';
import {
  configurations,
  dropProcess,
  forgetConfigurations,
  forgetProcesses,
  type HubConfiguration,
  type HubProcess,
  liveProcesses,
  lockProcesses,
  renewProcess,
  setConfiguration,
} from '../../../schema/database/processes/processes.ts';
import { differences, digestOf, type Outline } from '../config/config-digest.ts';
import type { Log } from '../log.ts';
import { isGone, newOwner } from './lease-owner.ts';

/** A row lasts this long without renewal, and is renewed three times within. Milliseconds. */
const LASTS = 10_000;
const RENEW = 3_000;
/** A row is looked at so often whether it is renewed, in milliseconds. */
const LOOK = 250;

/** The process may not work on this database; the message is a sentence for people. */
export class PresenceRefused extends Error {
  override name = 'PresenceRefused';
}

/** Those of this process. */
const ours = new Set<string>();

/** Such as `the hub on park-server (process 4711)`. */
export const inWords = ({ role, host, pid }: Pick<HubProcess, 'role' | 'host' | 'pid'>): string =>
  `the ${role} on ${host} (process ${pid})`;

/** The processes alive, without those of this machine that are known to be dead. */
export async function aliveProcesses(tx: Tx): Promise<HubProcess[]> {
  // One of our own number that is not of this run is dead: the number came again, as in a container that was begun anew.
  return (await liveProcesses(tx)).filter(({ owner }) => !isGone(owner) && (ours.has(owner) || !isOwn(owner)));
}

const mark = newOwner();
/** Whether the owner's name was made at this place by a process of our number. */
const isOwn = (owner: string): boolean =>
  owner.slice(0, owner.lastIndexOf(':')) === mark.slice(0, mark.lastIndexOf(':'));

export interface PresenceOptions {
  readonly database: Database;
  /** Such as `hub`, or `connector parking`. */
  readonly role: string;
  readonly outline: Outline;
  readonly log: Log;
  /** How long a row lasts, and the pause between renewals, in milliseconds; for tests. */
  readonly pace?: { readonly lasts: number; readonly renew: number };
}

export class Presence {
  readonly #database: Database;
  readonly #log: Log;
  readonly #self: Omit<HubProcess, 'until'>;
  readonly #pace: NonNullable<PresenceOptions['pace']>;
  #outline: Outline;
  #digest: string;
  /** A newer configuration than ours, if there is one. */
  #newer: HubConfiguration | null = null;
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #left = false;

  private constructor(options: PresenceOptions) {
    this.#database = options.database;
    this.#log = options.log;
    this.#pace = options.pace ?? { lasts: LASTS, renew: RENEW };
    this.#outline = options.outline;
    this.#digest = digestOf(options.outline);
    this.#self = { owner: newOwner(), role: options.role, host: hostname(), pid: process.pid };
  }

  /**
   * Joins the processes on the database. Rejects with `PresenceRefused` when another one is alive and was given another file. One that
   * may be dead is waited for until its row has run out, ten seconds at most; where it can be known that it is dead, nobody waits.
   */
  static async join(options: PresenceOptions): Promise<Presence> {
    const presence = new Presence(options);
    const seen = new Map<string, number>();
    for (;;) {
      const others = await presence.#database.transaction((tx) => presence.#tryToJoin(tx));
      if (others === null) break;
      const { alive, newest } = others;
      const renewed = alive.find(({ owner, until }) => {
        const before = seen.get(owner);
        seen.set(owner, until.getTime());
        return ours.has(owner) || (before !== undefined && until.getTime() > before);
      });
      if (renewed) throw new PresenceRefused(presence.#refusal(renewed, newest));
      await new Promise((resolve) => setTimeout(resolve, LOOK));
    }
    presence.#plan();
    return presence;
  }

  /** Null: it has joined. Else who is alive, and the newest of their configurations. */
  async #tryToJoin(tx: Tx): Promise<{ alive: HubProcess[]; newest: HubConfiguration } | null> {
    await lockProcesses(tx);
    const alive = await aliveProcesses(tx);
    const dead = (await liveProcesses(tx)).filter((one) => alive.every(({ owner }) => owner !== one.owner));
    await forgetProcesses(
      tx,
      dead.map((one) => one.owner),
    );
    if (alive.length === 0) await forgetConfigurations(tx);
    const known = await configurations(tx);
    const [newest] = known;
    if (newest && known.every(({ digest }) => digest !== this.#digest)) return { alive, newest };
    if (!newest) await this.#set(tx);
    await this.#renew(tx);
    this.#compare(newest ?? null);
    return null;
  }

  #refusal(other: HubProcess, newest: HubConfiguration): string {
    return [
      `The database is in use by ${inWords(other)} with another isthmus.yaml (${differences(this.#outline, newest.outline)}).`,
      'Two files on one database would write over each other: start with the same file, change the running one first (it is followed while it runs), stop the other process, or name another database in DATABASE_URL. Nothing was changed.',
    ].join(' ');
  }

  /** Whether another process goes by a newer file. */
  get isBehind(): boolean {
    return this.#newer !== null;
  }

  /** A sentence for readiness; null when all processes go by the same file. */
  get note(): string | null {
    return (
      this.#newer &&
      `isthmus.yaml has been changed elsewhere, by ${this.#newer.setBy}; this process goes by an older one (${differences(this.#outline, this.#newer.outline)})`
    );
  }

  /** This process goes by another file now, and the others are told to follow. */
  async change(outline: Outline): Promise<void> {
    this.#outline = outline;
    this.#digest = digestOf(outline);
    await this.#database.transaction(async (tx) => {
      await lockProcesses(tx);
      await this.#set(tx);
      await this.#renew(tx);
    });
    this.#newer = null;
  }

  /** Others need not wait until the row has run out. */
  async leave(): Promise<void> {
    this.#left = true;
    clearTimeout(this.#timer);
    await this.#work;
    ours.delete(this.#self.owner);
    await dropProcess(this.#database.plain, this.#self.owner).catch(() => undefined);
  }

  #set(tx: Tx): Promise<void> {
    return setConfiguration(tx, { digest: this.#digest, outline: this.#outline, setBy: inWords(this.#self) });
  }

  async #renew(tx: Tx): Promise<void> {
    await renewProcess(tx, { ...this.#self, configuration: this.#digest }, this.#pace.lasts);
    ours.add(this.#self.owner);
  }

  #plan(): void {
    if (this.#left) return;
    this.#timer = setTimeout(() => {
      this.#work = this.#look().finally(() => this.#plan());
    }, this.#pace.renew);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    try {
      await this.#renew(this.#database.plain);
      this.#compare((await configurations(this.#database.plain))[0] ?? null);
    } catch {
      // The next one tries again; readiness tells of a database that is away.
    }
  }

  /** Says once that another process goes by a newer file. */
  #compare(newest: HubConfiguration | null): void {
    const before = this.#newer?.digest ?? null;
    this.#newer = newest && newest.digest !== this.#digest ? newest : null;
    if (this.#newer && this.#newer.digest !== before)
      this.#log.warn(`${this.note}. Save the same file here; until then each writes its own parks and sources.`);
  }
}
