/** Imports a claimed file: stores its bytes, reads it, and replaces the mirror in one transaction with its event. */
import { createHash } from 'node:crypto';
import { parseUscc } from '../../../schema/graph/identifiers.ts';
import type { Call } from '../../kit/call.ts';
import type { Claim } from '../../kit/services.ts';
import { isDataError } from '../../kit/tasks/group-commit.ts';
import { type ReadOptions, readTaxFileAsync, rejectedFile } from '../mapping/index.ts';
import type { ReadFile, RefusedFile, TakenFile } from '../model.ts';
import type { DropFolders } from './drop-folders.ts';
import type { Installation } from './installation.ts';
import type { DirectoryEntry } from './sftp.ts';

/** A file is rejected after this many attempts that did not finish, such as when it crashes the process. */
const MAX_ATTEMPTS = 5;
/** Maximum rejected rows listed in a reason file. */
const MAX_LISTED_ROWS = 1_000;

export class FileImport {
  readonly #installation: Installation;
  readonly #folders: DropFolders;
  readonly #options: ReadOptions;
  #newest: Date | null = null;

  constructor(installation: Installation, folders: DropFolders) {
    this.#installation = installation;
    this.#folders = folders;
    const { companies, signatureKeys, refusedShare } = installation.settings;
    this.#options = {
      companyOf: (taxpayerNo) => companies[taxpayerNo] ?? parseUscc(taxpayerNo),
      signatureKey: (issuer) => signatureKeys[issuer] ?? null,
      refusedShare,
    };
  }

  /** Date in the newest file that this process has imported; null before the first. */
  get newest(): Date | null {
    return this.#newest;
  }

  /**
   * Imports a file from `claimed/` and moves it to `done/`, or to `refused/` with the reason beside it. Bytes that were imported before
   * change nothing. The bytes are stored before they are read.
   */
  async run(call: Call, name: string, listing: readonly DirectoryEntry[]): Promise<void> {
    const { services, settings } = this.#installation;
    const entry = listing.find((candidate) => candidate.name === name);
    const [size, modifiedAt] = [entry?.size ?? 0, entry?.modifiedAt ?? services.clock.now()];
    const withinLimit = size <= settings.largest * 1024 * 1024;
    const bytes = withinLimit ? await this.#folders.read(call, `claimed/${name}`) : null;
    if (withinLimit && bytes === null) return;
    const digest = createHash('sha256')
      .update(bytes ?? `unread ${name} ${size}`)
      .digest('hex');
    const { isAccepted: taken, attempts } = await services.transaction((tx) =>
      services.store.tax.receiveTaxFile(tx, services.installation.id, {
        ...{ digest, name, size: bytes?.length ?? size, bytes, modifiedAt, receivedAt: services.clock.now() },
      }),
    );
    if (taken) {
      services.log.info('Skipped a tax file: the same bytes were imported before.', { name, digest });
      await this.#folders.move(call, `claimed/${name}`, `done/${name}`);
      return;
    }
    const file =
      bytes === null
        ? rejectedFile('TOO_LARGE', `The file is larger than ${settings.largest} MiB.`)
        : attempts > MAX_ATTEMPTS
          ? rejectedFile('UNREADABLE', `Reading the file did not finish in ${attempts - 1} attempts.`)
          : await readTaxFileAsync(bytes, this.#options);
    try {
      await this.#store(name, digest, file);
    } catch (error) {
      // Only an error caused by the file's data counts as an attempt, not a full disk or a lost connection.
      if (!isDataError(error))
        await services
          .transaction((tx) => services.store.tax.undoTaxFileAttempt(tx, services.installation.id, digest))
          .catch(() => undefined);
      throw error;
    }
    if (file.taken) await this.#folders.move(call, `claimed/${name}`, `done/${name}`);
    else await this.#folders.reject(call, name, reasonText(file));
  }

  /** Replaces the mirror and writes report, identity claims and event in one transaction. */
  async #store(name: string, digest: string, file: ReadFile): Promise<void> {
    const { services } = this.#installation;
    const { id } = services.installation;
    const at = services.clock.now();
    const rows = file.taken ? file.accounts.length + file.filings.length + file.invoices.length : 0;
    const refusedRows = file.taken ? file.faults.length : Math.max(file.faults.length, 1);
    await services.transaction(async (tx) => {
      if (file.taken) {
        await services.store.tax.replaceTaxMirror(tx, id, { digest, ...mirrorOf(file) });
        const claims = file.taxpayers.map(
          ({ company, taxpayerNo, name, address }): Claim => ({
            ...{ entity: 'COMPANY', key: company, system: 'taxpayer-no', value: taxpayerNo },
            ...{ facts: { name, address: address ?? null }, recordedAt: file.recordedAt },
          }),
        );
        await services.identify(tx, claims);
      }
      const { layout, recordedAt, faults } = file;
      await services.store.tax.recordTaxFileResult(tx, id, {
        ...{ digest, at, layout, recordedAt, errors: faults, rows },
        ...{ reason: file.taken ? null : file.reason, detail: file.taken ? null : file.detail },
        notes: file.taken ? file.notes : [],
      });
      const company = file.taken && file.taxpayers.length === 1 ? (file.taxpayers[0]?.company ?? null) : null;
      await services.emit(tx, [
        {
          ...{ foreignId: `file ${digest} ${file.taken ? 'taken' : 'refused'}`, kind: 'TAX_FILE_RECEIVED', time: at },
          ...{ company, data: { name, rows, refused: refusedRows } },
        },
      ]);
    });
    services.suspectDrift();
    if (file.taken) {
      if (this.#newest === null || file.recordedAt > this.#newest) this.#newest = file.recordedAt;
      services.log.info('Imported a tax file.', { name, rows, refused: refusedRows });
    } else services.log.warn('Rejected a tax file and moved it to refused/.', { name, reason: file.reason });
  }
}

function mirrorOf(file: TakenFile) {
  return {
    ...{ recordedAt: file.recordedAt, scope: file.scope, accounts: file.accounts },
    ...{ filings: file.filings, invoices: file.invoices },
    companies: file.taxpayers.map(({ company }) => company),
  };
}

/** Text of the reason file: the reason, then the rejected rows with their lines. */
function reasonText({ reason, detail, faults }: RefusedFile): string {
  const rows = faults.slice(0, MAX_LISTED_ROWS).map((row) => `line ${row.line}: ${row.reason}: ${row.detail}`);
  return [`${reason}: ${detail}`, ...rows, ''].join('\n');
}
