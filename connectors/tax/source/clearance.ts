/** Requests for tax clearance: files written to the SFTP folder, and the office's replies that update the case. */
import type { Call } from '../../kit/call.ts';
import type { Tx } from '../../kit/connector.ts';
import { SourceError } from '../../kit/errors.ts';
import type { EventData } from '../../kit/events/event-types.ts';
import { type Sourced, sourced } from '../../kit/provenance.ts';
import type { NewEvent } from '../../kit/services.ts';
import { writeRequest } from '../mapping/index.ts';
import type { ClearanceReply } from '../model.ts';
import type { Installation } from './installation.ts';

/** Order of the states: a case never returns to an earlier one. */
const STATE_ORDER: Readonly<Record<string, number>> = { PREPARED: 0, SENT: 1, ACCEPTED: 2, REJECTED: 3, COMPLETED: 3 };

export class Clearances {
  readonly #installation: Installation;
  constructor(at: Installation) {
    this.#installation = at;
  }

  /** Writes the request once per clientMutationId. Resolves with the case's global id when the file is in the SFTP folder. */
  async request(
    call: Call,
    request: { clientMutationId: string; company: string; until: string },
  ): Promise<Sourced<string>> {
    const { services } = this.#installation;
    const { clientMutationId, company, until } = request;
    const payload = { installation: services.installation.id, company, until };
    return services.runOnce(
      call,
      { mutation: 'requestTaxClearance', clientMutationId, payload },
      (reference) => this.#send(call, { reference, company, until }),
      (reference) => this.#recover(call, reference),
    );
  }

  async #send(call: Call, request: { reference: string; company: string; until: string }): Promise<Sourced<string>> {
    const { services, drop } = this.#installation;
    const { reference, company, until } = request;
    const at = services.clock.now();
    const file = fileOf(reference);
    await services.transaction((tx) =>
      services.store.tax.prepareTaxClearance(tx, services.installation.id, { reference, company, until, at }),
    );
    const bytes = writeRequest({ reference, taxpayerNo: this.#taxpayerNo(company), until, at });
    try {
      const { facts } = await services.guard.write(call, 'request clearance', (signal) =>
        drop.write(file, bytes, signal),
      );
      await services.transaction((tx) => this.#markSent(tx, reference, company, at));
      return sourced(services.globalId(reference), facts);
    } catch (error) {
      if (error instanceof SourceError && error.code === 'SOURCE_REJECTED') {
        const { id } = services.installation;
        await services.transaction((tx) => services.store.tax.forgetTaxClearance(tx, id, reference));
      }
      throw error;
    }
  }

  /** Finds the result of an earlier attempt with unknown outcome; null if the request was not written. */
  async #recover(call: Call, reference: string): Promise<Sourced<string> | null> {
    const { services, drop } = this.#installation;
    const { id } = services.installation;
    const row = await services.read((tx) => services.store.tax.taxClearance(tx, id, reference));
    if (row === null) return null;
    const { value: exists, facts } = await services.guard.read(call, { operation: 'find clearance' }, (signal) =>
      drop.exists(fileOf(reference), signal),
    );
    if (row.state === 'PREPARED') {
      // The office may have taken the file already; a second file with the same reference is the same request to it.
      if (!exists) return null;
      await services.transaction((tx) => this.#markSent(tx, reference, row.company, services.clock.now()));
    }
    return sourced(services.globalId(reference), facts);
  }

  /** Applies a reply of the office to its case; returns false for an unknown reference. */
  async applyReply(tx: Tx, reply: ClearanceReply): Promise<boolean> {
    const { services } = this.#installation;
    const { id } = services.installation;
    const row = await services.store.tax.taxClearance(tx, id, reply.reference);
    if (row === null) return false;
    // The reply may arrive before the request is recorded as sent.
    if (row.state === 'PREPARED') await this.#markSent(tx, row.reference, row.company, services.clock.now());
    if ((STATE_ORDER[reply.state] ?? 0) > (STATE_ORDER[row.state] ?? 0)) {
      await services.store.tax.updateTaxClearance(tx, id, reply);
      await services.emit(tx, [this.#event(row.company, reply)]);
    }
    return true;
  }

  async #markSent(tx: Tx, reference: string, company: string, at: Date): Promise<void> {
    const { services } = this.#installation;
    const { id } = services.installation;
    const row = await services.store.tax.taxClearance(tx, id, reference);
    if (row?.state !== 'PREPARED') return;
    const step = { reference, state: 'SENT', at, receipt: null, reason: null } as const;
    await services.store.tax.updateTaxClearance(tx, id, step);
    await services.emit(tx, [this.#event(company, step)]);
  }

  #event(
    company: string,
    step: {
      reference: string;
      state: EventData<'CASE_CHANGED'>['state'];
      at: Date;
      receipt: string | null;
      reason: string | null;
    },
  ): NewEvent {
    return {
      foreignId: `clearance ${step.reference} ${step.state}`,
      kind: 'CASE_CHANGED',
      time: step.at,
      company,
      case: this.#installation.services.globalId(step.reference),
      data: { state: step.state, kind: 'TAX_CLEARANCE', receipt: step.receipt, reason: step.reason },
    };
  }

  #taxpayerNo(company: string): string {
    const found = Object.entries(this.#installation.settings.companies).find(([, code]) => code === company);
    return found?.[0] ?? company;
  }
}

const fileOf = (reference: string): string => `outbound/clearance-${reference}.csv`;
