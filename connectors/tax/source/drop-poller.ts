/**
 * Polls the SFTP folder: imports new files in the order of their times, then applies replies to clearance requests. Only the holder of
 * the lease runs this job, so a file found in `claimed/` at the start of a run was left by a process that ended; it is imported again.
 */
import type { Call } from '../../kit/call.ts';
import type { Drift, Job } from '../../kit/connector.ts';
import { SourceError } from '../../kit/errors.ts';
import { storedAgesOf } from '../../kit/monitoring/stored-age.ts';
import { findDrift } from '../mapping/index.ts';
import { applyReplyFile } from './clearance-replies.ts';
import { DropFolders } from './drop-folders.ts';
import { FileImport } from './file-import.ts';
import { type Installation, LISTED } from './installation.ts';
import type { DirectoryEntry } from './sftp.ts';
import { StableFiles } from './stable-files.ts';

/** Name in the installation's state of the time of the first complete listing. */
const FIRST_LISTED = 'begun';
/** Milliseconds between checks for a missing delivery. */
const DELIVERY_CHECK_INTERVAL = 60_000;
/** Milliseconds. A file rejected longer ago no longer indicates drift. */
const DRIFT_PERIOD = 35 * 86_400_000;

export class DropPoller {
  readonly #installation: Installation;
  readonly #folders: DropFolders;
  readonly #import: FileImport;
  readonly #inbox = new StableFiles();
  readonly #replies = new StableFiles();

  constructor(installation: Installation) {
    this.#installation = installation;
    this.#folders = new DropFolders(installation);
    this.#import = new FileImport(installation, this.#folders);
  }

  get jobs(): readonly Job[] {
    return [
      { name: 'drop', every: this.#installation.settings.poll, run: (call) => this.poll(call) },
      { name: 'delivery', every: DELIVERY_CHECK_INTERVAL, run: () => this.checkDelivery() },
    ];
  }

  /** Age in milliseconds of the newest file imported by this process, by the date in the file; null before the first. */
  lag(): number | null {
    const { newest } = this.#import;
    return newest && Math.max(this.#installation.services.clock.now().getTime() - newest.getTime(), 0);
  }

  /** Drift shown by recently rejected files. An imported file of the same kind ends the drift of older ones. */
  async drift(): Promise<readonly Drift[]> {
    const { services } = this.#installation;
    const since = new Date(services.clock.now().getTime() - DRIFT_PERIOD);
    const rejectedFiles = await services.read((tx) =>
      services.store.tax.newestRejectedTaxFiles(tx, services.installation.id, since),
    );
    return rejectedFiles.flatMap(findDrift);
  }

  #last: Promise<void> = Promise.resolve();
  /** Processes all folders once, after the previous run has ended. Rejects with the first error after trying every file. */
  poll(call: Call): Promise<void> {
    const run = this.#last.then(() => this.#poll(call));
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #poll(call: Call): Promise<void> {
    const { services } = this.#installation;
    await this.#folders.create(call);
    const errors: unknown[] = [];
    const each = async (names: readonly string[], work: (name: string) => Promise<void>) => {
      for (const name of names) {
        if (call.signal.aborted) return;
        try {
          await work(name);
        } catch (error) {
          // Without the server or the lease the other files would fail as well.
          if (error instanceof SourceError || (error as Error).name === 'LeaseLost') throw error;
          services.log.error('Failed to process a tax file. Retrying at the next poll.', { name, error });
          errors.push(error);
        }
      }
    };
    const abandoned = (await this.#folders.list(call, 'claimed')).filter(({ name }) => !isHidden(name));
    await each(byTime(abandoned), (name) => this.#import.run(call, name, abandoned));
    const inbox = await this.#folders.list(call, '');
    const listedAt = services.clock.now();
    await each(byTime(this.#inbox.finished(inbox)), (name) => this.#claim(call, name, inbox));
    const replies = await this.#folders.list(call, 'replies');
    await each(byTime(this.#replies.finished(replies)), (name) =>
      applyReplyFile(this.#installation, this.#folders, call, name, replies),
    );
    if (errors.length > 0) throw errors[0];
    await services.transaction(async (tx) => {
      await services.state.set(tx, LISTED, listedAt.toISOString());
      if ((await services.state.get(tx, FIRST_LISTED)) === null)
        await services.state.set(tx, FIRST_LISTED, listedAt.toISOString());
    });
  }

  /** Throws, so that the source becomes DEGRADED, if no file was imported for longer than the setting `fresh`. */
  async checkDelivery(): Promise<void> {
    const { services, settings } = this.#installation;
    const newest = await services.read((tx) => services.store.tax.newestTaxFile(tx, services.installation.id));
    const firstListed = await services.read((tx) => services.state.get<string>(tx, FIRST_LISTED));
    const since = newest?.acceptedAt ?? (firstListed === null ? null : new Date(firstListed));
    if (since === null) return;
    const hours = storedAgesOf(services.clock).ageOf(since) / 3_600_000;
    if (hours * 3_600_000 > settings.fresh) throw new Error(`No file received for ${hours.toFixed(1)} hours.`);
  }

  /**
   * Moves a file from the inbox to `claimed/` and imports it. The marker is deleted first, so that it does not apply to a later
   * file.
   */
  async #claim(call: Call, name: string, listing: readonly DirectoryEntry[]): Promise<void> {
    await this.#folders.removeMarker(call, '', name, listing);
    if (await this.#folders.move(call, name, `claimed/${name}`)) await this.#import.run(call, name, listing);
  }
}

/** Hidden files are partial or belong to other programs. */
const isHidden = (name: string): boolean => name.startsWith('.');

/** Names in the order of modification times. */
const byTime = (entries: readonly DirectoryEntry[]): string[] =>
  [...entries]
    .sort((a, b) => a.modifiedAt.getTime() - b.modifiedAt.getTime() || (a.name < b.name ? -1 : 1))
    .map(({ name }) => name);
