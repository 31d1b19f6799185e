/**
 * Registers the processes that share a database, with the hashes of their configuration. A process with a different isthmus.yaml is
 * rejected while another one is alive. When the file of a running process is changed, the others report that theirs is outdated.
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
import { type ConfigHashes, configDigest, describeDifferences } from '../config/config-digest.ts';
import type { Log } from '../log.ts';
import { createLeaseOwner, isDeadOwner } from './lease-owner.ts';

/** Milliseconds. A row expires without renewal; three renewals fit into its lifetime. */
const LIFETIME = 10_000;
const RENEW_INTERVAL = 3_000;
/** Milliseconds between looks at another process's row, to see whether it is renewed. */
const POLL_INTERVAL = 250;

/** Another process uses the database with a different configuration. The message is for the operator. */
export class ProcessRejectedError extends Error {
  override name = 'ProcessRejectedError';
}

/** The owners of rows that this process has written. */
const ownOwners = new Set<string>();

/** Such as `the hub on park-server (process 4711)`. */
export const describeProcess = ({ role, host, pid }: Pick<HubProcess, 'role' | 'host' | 'pid'>): string =>
  `the ${role} on ${host} (process ${pid})`;

/** The registered processes, without those of this machine that are dead. */
export async function findLiveProcesses(tx: Tx): Promise<HubProcess[]> {
  // A row with our PID that this run did not write is of a dead process: PIDs repeat, as in a restarted container.
  return (await liveProcesses(tx)).filter(
    ({ owner }) => !isDeadOwner(owner) && (ownOwners.has(owner) || !hasOwnPid(owner)),
  );
}

const ownMark = createLeaseOwner();
/** Whether the owner was a process of this machine with our PID. */
const hasOwnPid = (owner: string): boolean =>
  owner.slice(0, owner.lastIndexOf(':')) === ownMark.slice(0, ownMark.lastIndexOf(':'));

export interface ProcessRegistrationOptions {
  readonly database: Database;
  /** Such as `hub`, or `connector parking`. */
  readonly role: string;
  readonly hashes: ConfigHashes;
  readonly log: Log;
  /** Lifetime of a row and time between renewals, in milliseconds; for tests. */
  readonly timing?: { readonly lifetime: number; readonly renewInterval: number };
}

export class ProcessRegistration {
  readonly #database: Database;
  readonly #log: Log;
  readonly #self: Omit<HubProcess, 'until'>;
  readonly #timing: NonNullable<ProcessRegistrationOptions['timing']>;
  #hashes: ConfigHashes;
  #digest: string;
  /** The configuration that another process has set after ours. */
  #newer: HubConfiguration | null = null;
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #hasLeft = false;

  private constructor(options: ProcessRegistrationOptions) {
    this.#database = options.database;
    this.#log = options.log;
    this.#timing = options.timing ?? { lifetime: LIFETIME, renewInterval: RENEW_INTERVAL };
    this.#hashes = options.hashes;
    this.#digest = configDigest(options.hashes);
    this.#self = { owner: createLeaseOwner(), role: options.role, host: hostname(), pid: process.pid };
  }

  /**
   * Registers this process. Rejects with `ProcessRejectedError` if a live process has a different configuration. Waits up to 10 s for the
   * row of a process that may be dead to expire; not if the process was on this machine and is known to be dead.
   */
  static async register(options: ProcessRegistrationOptions): Promise<ProcessRegistration> {
    const registration = new ProcessRegistration(options);
    const seen = new Map<string, number>();
    for (;;) {
      const others = await registration.#database.transaction((tx) => registration.#tryRegister(tx));
      if (others === null) break;
      const { alive, newest } = others;
      const renewed = alive.find(({ owner, until }) => {
        const before = seen.get(owner);
        seen.set(owner, until.getTime());
        return ownOwners.has(owner) || (before !== undefined && until.getTime() > before);
      });
      if (renewed) throw new ProcessRejectedError(registration.#rejectionMessage(renewed, newest));
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL));
    }
    registration.#scheduleRenewal();
    return registration;
  }

  /** Null if registered; otherwise the live processes and the newest configuration. */
  async #tryRegister(tx: Tx): Promise<{ alive: HubProcess[]; newest: HubConfiguration } | null> {
    await lockProcesses(tx);
    const alive = await findLiveProcesses(tx);
    const owners = (await liveProcesses(tx)).map(({ owner }) => owner);
    await forgetProcesses(
      tx,
      owners.filter((owner) => alive.every((process) => process.owner !== owner)),
    );
    if (alive.length === 0) await forgetConfigurations(tx);
    const known = await configurations(tx);
    const [newest] = known;
    if (newest && known.every(({ digest }) => digest !== this.#digest)) return { alive, newest };
    if (!newest) await this.#storeConfiguration(tx);
    await this.#renew(tx);
    this.#compareWith(newest ?? null);
    return null;
  }

  #rejectionMessage(other: HubProcess, newest: HubConfiguration): string {
    return [
      `The database is in use by ${describeProcess(other)} with a different isthmus.yaml (${describeDifferences(this.#hashes, newest.outline)}).`,
      'Start with the same file, change the file of the running process first (it is reloaded), stop that process, or set DATABASE_URL to another database. Nothing was changed.',
    ].join(' ');
  }

  /** Whether another process has set a newer configuration. */
  get isOutdated(): boolean {
    return this.#newer !== null;
  }

  /** The sentence for /readyz; null when the configuration is current. */
  get outdatedMessage(): string | null {
    return (
      this.#newer &&
      `isthmus.yaml was changed in ${this.#newer.setBy}; this process uses an older version (${describeDifferences(this.#hashes, this.#newer.outline)})`
    );
  }

  /** Stores the new configuration of this process; the others become outdated. */
  async setConfiguration(hashes: ConfigHashes): Promise<void> {
    this.#hashes = hashes;
    this.#digest = configDigest(hashes);
    await this.#database.transaction(async (tx) => {
      await lockProcesses(tx);
      await this.#storeConfiguration(tx);
      await this.#renew(tx);
    });
    this.#newer = null;
  }

  /** Removes the row, so that others need not wait until it expires. */
  async unregister(): Promise<void> {
    this.#hasLeft = true;
    clearTimeout(this.#timer);
    await this.#work;
    ownOwners.delete(this.#self.owner);
    await dropProcess(this.#database.plain, this.#self.owner).catch(() => undefined);
  }

  #storeConfiguration(tx: Tx): Promise<void> {
    return setConfiguration(tx, { digest: this.#digest, outline: this.#hashes, setBy: describeProcess(this.#self) });
  }

  /** Resolves with the newest configuration. */
  async #renew(tx: Tx): Promise<HubConfiguration | null> {
    const newest = await renewProcess(tx, { ...this.#self, configuration: this.#digest }, this.#timing.lifetime);
    ownOwners.add(this.#self.owner);
    return newest;
  }

  #scheduleRenewal(): void {
    if (this.#hasLeft) return;
    this.#timer = setTimeout(() => {
      this.#work = this.#renewAndCompare().finally(() => this.#scheduleRenewal());
    }, this.#timing.renewInterval);
    this.#timer.unref();
  }

  async #renewAndCompare(): Promise<void> {
    try {
      this.#compareWith(await this.#renew(this.#database.plain));
    } catch {
      // Retried at the next renewal; /readyz reports an unavailable database.
    }
  }

  /** Logs once for each newer configuration. */
  #compareWith(newest: HubConfiguration | null): void {
    const before = this.#newer?.digest ?? null;
    this.#newer = newest && newest.digest !== this.#digest ? newest : null;
    if (this.#newer && this.#newer.digest !== before)
      this.#log.warn(
        `${this.outdatedMessage}. Save the same file here; until then, each process writes its own parks and sources.`,
      );
  }
}
