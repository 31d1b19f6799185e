/**
 * Files from the drop, one after the other: listed, claimed by renaming, their bytes kept before anybody looks into them,
 * read, and swapped into the mirror in one transaction with the event that says so. Whoever holds the lease does this
 * alone, so whatever lies in `claimed/` when a run begins was left by a worker that died: it is taken up again.
 */
import { createHash } from 'node:crypto';
import type { Call, Claim, Drift, Job } from '../../kit/connector.ts';
import { rejected, SourceError } from '../../kit/errors.ts';
import { parseUscc } from '../../kit/identifiers.ts';
import { momentsOf } from '../../kit/stored-age.ts';
import { isDataFault } from '../../kit/tasks/group-commit.ts';
import { driftOf, type ReadOptions, readReplies, readTaxFileInTurns, refused } from '../mapping/index.ts';
import type { ReadFile, TakenFile } from '../model.ts';
import { Clearances } from './clearance.ts';
import { type Installation, LISTED } from './index.ts';
import type { Entry } from './sftp.ts';
import { Settling } from './stable-files.ts';

const FOLDERS = ['claimed', 'done', 'refused', 'outbound', 'replies'];
const PIECE = 4 * 1024 * 1024;
/** A file that was begun so often without an end is refused. */
const MOST_ATTEMPTS = 5;
const BEGUN = 'begun';
const DELIVERY_PAUSE = 60_000;
/** A file that was refused this long ago speaks of a layout no more, in milliseconds. */
const DRIFT_TOLD = 35 * 86_400_000;

export class FileDrop {
  readonly #at: Installation;
  readonly #inbox = new Settling();
  readonly #replies = new Settling();
  readonly #options: ReadOptions;
  #furnished = false;
  #newest: Date | null = null;

  constructor(at: Installation) {
    this.#at = at;
    const { companies, signatureKeys, refusedShare } = at.settings;
    this.#options = {
      companyOf: (taxpayerNo) => companies[taxpayerNo] ?? parseUscc(taxpayerNo),
      signatureKey: (issuer) => signatureKeys[issuer] ?? null,
      refusedShare,
    };
  }

  get jobs(): readonly Job[] {
    return [
      { name: 'drop', every: this.#at.settings.poll, run: (call) => this.poll(call) },
      { name: 'delivery', every: DELIVERY_PAUSE, run: () => this.delivery() },
    ];
  }

  /** Milliseconds between now and the date of the newest file that this process has taken in; null before the first. */
  lag(): number | null {
    return this.#newest && Math.max(this.#at.services.clock.now().getTime() - this.#newest.getTime(), 0);
  }

  /** Layouts that the newest files do not have; each file that is taken in ends what older ones of its kind have told. */
  async drift(): Promise<readonly Drift[]> {
    const { services } = this.#at;
    const since = new Date(services.clock.now().getTime() - DRIFT_TOLD);
    const refused = await services.read((tx) =>
      services.store.tax.newestRefusedTaxFiles(tx, services.installation.id, since),
    );
    return refused.flatMap(driftOf);
  }

  #last: Promise<void> = Promise.resolve();
  /** One run over all folders, after the one before has ended. */
  poll(call: Call): Promise<void> {
    const run = this.#last.then(() => this.#poll(call));
    this.#last = run.catch(() => undefined);
    return run;
  }

  /** A file that cannot be worked on does not hold up the others. */
  async #poll(call: Call): Promise<void> {
    const { services } = this.#at;
    if (!this.#furnished) {
      await this.#step(call, 'furnish', (signal) => this.#at.drop.furnish(FOLDERS, signal));
      this.#furnished = true;
    }
    const faults: unknown[] = [];
    const each = async (names: readonly string[], work: (name: string) => Promise<void>) => {
      for (const name of names) {
        if (call.signal.aborted) return;
        try {
          await work(name);
        } catch (error) {
          // Without the drop or the lease the others would fare no better.
          if (error instanceof SourceError || (error as Error).name === 'LeaseLost') throw error;
          services.log.error('A file of the tax office could not be worked on; it is tried again.', { name, error });
          faults.push(error);
        }
      }
    };
    const left = (await this.#list(call, 'claimed')).filter(({ name }) => isOurs(name));
    await each(sorted(left), (name) => this.#take(call, name, left));
    const listing = await this.#list(call, '');
    const listedAt = services.clock.now();
    await each(sorted(this.#inbox.finished(listing)), (name) => this.#claim(call, name, listing));
    const replies = await this.#list(call, 'replies');
    await each(sorted(this.#replies.finished(replies)), (name) => this.#reply(call, name, replies));
    if (faults.length > 0) throw faults[0];
    await services.transaction(async (tx) => {
      await services.state.set(tx, LISTED, listedAt.toISOString());
      if ((await services.state.get(tx, BEGUN)) === null) await services.state.set(tx, BEGUN, listedAt.toISOString());
    });
  }

  /** Fails, so that health shows it, when no file has come for longer than the mirror counts as fresh. */
  async delivery(): Promise<void> {
    const { services, settings } = this.#at;
    const newest = await services.read((tx) => services.store.tax.newestTaxFile(tx, services.installation.id));
    const begun = await services.read((tx) => services.state.get<string>(tx, BEGUN));
    const since = newest?.takenAt ?? (begun === null ? null : new Date(begun));
    if (since === null) return;
    const hours = momentsOf(services.clock).age(since) / 3_600_000;
    if (hours * 3_600_000 > settings.fresh) throw new Error(`No file has come for ${hours.toFixed(1)} hours.`);
  }

  /** From the inbox to `claimed/`. The marker goes first: left behind, it would call a later file of that name finished. */
  async #claim(call: Call, name: string, listing: readonly Entry[]): Promise<void> {
    const { drop } = this.#at;
    const marker = `${name}.ok`;
    if (listing.some((one) => one.name === marker)) {
      await this.#step(call, 'remove marker', (signal) => drop.remove(marker, signal));
    }
    if (await this.#move(call, name, `claimed/${name}`)) await this.#take(call, name, listing);
  }

  /** A claimed file to its end: into the mirror and `done/`, or into `refused/` with the reason beside it. */
  async #take(call: Call, name: string, listing: readonly Entry[]): Promise<void> {
    const { services, settings } = this.#at;
    const entry = listing.find((one) => one.name === name);
    const [size, modifiedAt] = [entry?.size ?? 0, entry?.modifiedAt ?? services.clock.now()];
    const small = size <= settings.largest * 1024 * 1024;
    const bytes = small ? await this.#read(call, `claimed/${name}`) : null;
    if (small && bytes === null) return;
    const digest = createHash('sha256')
      .update(bytes ?? `unread ${name} ${size}`)
      .digest('hex');
    const { taken, attempts } = await services.transaction((tx) =>
      services.store.tax.receiveTaxFile(tx, services.installation.id, {
        ...{ digest, name, size: bytes?.length ?? size, bytes, modifiedAt, receivedAt: services.clock.now() },
      }),
    );
    if (taken) {
      services.log.info('A file of the tax office came again; it had been taken in.', { name, digest });
      await this.#move(call, `claimed/${name}`, `done/${name}`);
      return;
    }
    const file =
      bytes === null
        ? refused('TOO_LARGE', `The file is larger than ${settings.largest} MiB.`)
        : attempts > MOST_ATTEMPTS
          ? refused('UNREADABLE', `Reading was begun ${attempts - 1} times without an end.`)
          : await readTaxFileInTurns(bytes, this.#options);
    try {
      await this.#decide(name, digest, file);
    } catch (error) {
      // A full disk or a lost database is no fault of the file's; a value that the database cannot hold is.
      if (!isDataFault(error))
        await services
          .transaction((tx) => services.store.tax.forgiveTaxFile(tx, services.installation.id, digest))
          .catch(() => undefined);
      throw error;
    }
    if (file.taken) await this.#move(call, `claimed/${name}`, `done/${name}`);
    else await this.#putAside(call, name, file.reason, file.detail, file.faults);
  }

  /** The swap: mirror, report, claims and event in one transaction. */
  async #decide(name: string, digest: string, file: ReadFile): Promise<void> {
    const { services } = this.#at;
    const { id } = services.installation;
    const at = services.clock.now();
    const rows = file.taken ? file.accounts.length + file.filings.length + file.invoices.length : 0;
    const refusedRows = file.taken ? file.faults.length : Math.max(file.faults.length, 1);
    await services.transaction(async (tx) => {
      if (file.taken) {
        await services.store.tax.swapTaxMirror(tx, id, { digest, ...mirrorOf(file) });
        const claims = file.taxpayers.map(
          ({ company, taxpayerNo, name, address }): Claim => ({
            ...{ entity: 'COMPANY', key: company, system: 'taxpayer-no', value: taxpayerNo },
            ...{ says: { name, address: address ?? null }, recordedAt: file.recordedAt },
          }),
        );
        await services.identify(tx, claims);
      }
      const { layout, recordedAt, faults } = file;
      await services.store.tax.decideTaxFile(tx, id, {
        ...{ digest, at, layout, recordedAt, faults, rows },
        ...{ reason: file.taken ? null : file.reason, detail: file.taken ? null : file.detail },
        notes: file.taken ? file.notes : [],
      });
      const about = file.taken && file.taxpayers.length === 1 ? (file.taxpayers[0]?.company ?? null) : null;
      await services.emit(tx, [
        {
          ...{ foreignId: `file ${digest} ${file.taken ? 'taken' : 'refused'}`, kind: 'TAX_FILE_RECEIVED', time: at },
          ...{ company: about, data: { name, rows, refused: refusedRows } },
        },
      ]);
    });
    services.suspect();
    if (file.taken) {
      if (this.#newest === null || file.recordedAt > this.#newest) this.#newest = file.recordedAt;
      services.log.info('A file of the tax office was taken in.', { name, rows, refused: refusedRows });
    } else services.log.warn('A file of the tax office was refused.', { name, reason: file.reason });
  }

  /** Into `refused/`, with a text for whoever sent it. */
  async #putAside(call: Call, name: string, reason: string, detail: string, faults: ReadFile['faults']): Promise<void> {
    const { drop } = this.#at;
    const rows = faults.slice(0, 1_000).map((one) => `line ${one.line}: ${one.reason}: ${one.detail}`);
    const text = [`${reason}: ${detail}`, ...rows, ''].join('\n');
    const file = `refused/${name}.reason`;
    await this.#step(call, 'write reason', (signal) => drop.write(file, Buffer.from(text, 'utf8'), signal));
    await this.#move(call, `claimed/${name}`, `refused/${name}`);
  }

  /** Answers to requests for clearance. They need no claim: the case's state makes a second reading harmless. */
  async #reply(call: Call, name: string, listing: readonly Entry[]): Promise<void> {
    const { services, drop } = this.#at;
    const { id } = services.installation;
    const bytes = await this.#read(call, `replies/${name}`);
    if (bytes === null) return;
    const digest = createHash('sha256').update(bytes).digest('hex');
    const at = services.clock.now();
    const modifiedAt = listing.find((one) => one.name === name)?.modifiedAt ?? at;
    await services.transaction((tx) =>
      services.store.tax.receiveTaxFile(tx, id, {
        digest,
        name,
        size: bytes.length,
        bytes,
        modifiedAt,
        receivedAt: at,
      }),
    );
    await services.transaction(async (tx) => {
      const faults = [];
      let rows = 0;
      for (const reply of readReplies(bytes)) {
        if ('line' in reply) faults.push(reply);
        else if (await new Clearances(this.#at).answered(tx, reply)) rows++;
        else faults.push({ line: 0, reason: 'VALUE_INVALID', detail: `We have not asked for ${reply.reference}.` });
      }
      const worst = rows === 0 ? faults[0] : undefined;
      await services.store.tax.decideTaxFile(tx, id, {
        ...{ digest, at, layout: 'reply', recordedAt: null, rows, notes: [], faults },
        ...{ reason: worst?.reason ?? null, detail: worst?.detail ?? null },
      });
    });
    const marker = `${name}.ok`;
    if (listing.some((one) => one.name === marker)) {
      await this.#step(call, 'remove marker', (signal) => drop.remove(`replies/${marker}`, signal));
    }
    await this.#move(call, `replies/${name}`, `done/${name}`);
  }

  async #read(call: Call, path: string): Promise<Buffer | null> {
    const pieces: Buffer[] = [];
    for (let at = 0; ; at += PIECE) {
      const piece = await this.#step(call, 'read file', (signal) => this.#at.drop.read(path, at, PIECE, signal));
      if (piece === null) return null;
      pieces.push(piece);
      if (piece.length < PIECE) return Buffer.concat(pieces);
    }
  }

  async #list(call: Call, folder: string): Promise<readonly Entry[]> {
    const found = await this.#step(call, 'list', (signal) => this.#at.drop.list(folder, signal));
    if (found === null) {
      this.#furnished = false;
      throw rejected(`the folder ${folder || 'of the drop'} is not there`);
    }
    return found;
  }

  #move(call: Call, from: string, to: string): Promise<boolean> {
    return this.#step(call, 'move', (signal) => this.#at.drop.move(from, to, signal));
  }

  /** One guarded step; all of them can be done again without harm. */
  async #step<T>(call: Call, operation: string, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return (await this.#at.services.guard.read(call, { operation: `poll: ${operation}` }, ask)).value;
  }
}

function mirrorOf(file: TakenFile) {
  return {
    ...{ recordedAt: file.recordedAt, scope: file.scope, accounts: file.accounts },
    ...{ filings: file.filings, invoices: file.invoices },
    companies: file.taxpayers.map((one) => one.company),
  };
}

/** Hidden files are half written or nobody's business. */
const isOurs = (name: string): boolean => !name.startsWith('.');

/** Oldest first, so that what came later is said later. */
const sorted = (entries: readonly Entry[]): string[] =>
  [...entries]
    .sort((a, b) => a.modifiedAt.getTime() - b.modifiedAt.getTime() || (a.name < b.name ? -1 : 1))
    .map((one) => one.name);
