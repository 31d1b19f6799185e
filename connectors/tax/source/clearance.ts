/** Requests for tax clearance: a file laid on the drop, and the office's answers that move the case. */
import type { Call, NewEvent, Tx } from '../../kit/connector.ts';
import { SourceError } from '../../kit/errors.ts';
import { type Known, withFacts } from '../../kit/provenance.ts';
import { writeRequest } from '../mapping/index.ts';
import type { ClearanceReply } from '../model.ts';
import type { Installation } from './index.ts';

/** How far a case has come; it never goes back. */
const STEPS: Readonly<Record<string, number>> = { PREPARED: 0, SENT: 1, ACCEPTED: 2, REJECTED: 3, COMPLETED: 3 };

export class Clearances {
  readonly #at: Installation;
  constructor(at: Installation) {
    this.#at = at;
  }

  /** Writes the request once; answers the case's global id when it lies on the drop. */
  async request(
    call: Call,
    request: { clientMutationId: string; company: string; until: string },
  ): Promise<Known<string>> {
    const { services } = this.#at;
    const { clientMutationId, company, until } = request;
    const payload = { installation: services.installation.id, company, until };
    return services.once(
      call,
      { mutation: 'requestTaxClearance', clientMutationId, payload },
      (reference) => this.#send(call, { reference, company, until }),
      (reference) => this.#recover(call, reference),
    );
  }

  async #send(call: Call, request: { reference: string; company: string; until: string }): Promise<Known<string>> {
    const { services, drop } = this.#at;
    const { reference, company, until } = request;
    const at = services.clock.now();
    const file = fileOf(reference);
    await services.transaction((tx) =>
      services.store.tax.prepareTaxClearance(tx, services.installation.id, { reference, company, until, at }),
    );
    const bytes = writeRequest({ reference, taxpayerNo: this.#taxpayerNo(company), until, at });
    try {
      const { facts } = await services.guard.act(call, 'request clearance', (signal) =>
        drop.write(file, bytes, signal),
      );
      await services.transaction((tx) => this.#sent(tx, reference, company, at));
      return withFacts(services.globalId(reference), facts);
    } catch (error) {
      if (error instanceof SourceError && error.code === 'SOURCE_REJECTED') {
        const { id } = services.installation;
        await services.transaction((tx) => services.store.tax.forgetTaxClearance(tx, id, reference));
      }
      throw error;
    }
  }

  /** A former try ended unknown: the case has moved, or the file lies there, or it was not done. */
  async #recover(call: Call, reference: string): Promise<Known<string> | null> {
    const { services, drop } = this.#at;
    const { id } = services.installation;
    const row = await services.read((tx) => services.store.tax.taxClearance(tx, id, reference));
    if (row === null) return null;
    const { value: there, facts } = await services.guard.read(call, { operation: 'find clearance' }, (signal) =>
      drop.has(fileOf(reference), signal),
    );
    if (row.state === 'PREPARED') {
      // Not there may also mean taken away already: the same reference again is the same request to the office.
      if (!there) return null;
      await services.transaction((tx) => this.#sent(tx, reference, row.company, services.clock.now()));
    }
    return withFacts(services.globalId(reference), facts);
  }

  /** Moves the case by an answer of the office; false when no request of ours has that reference. */
  async answered(tx: Tx, reply: ClearanceReply): Promise<boolean> {
    const { services } = this.#at;
    const { id } = services.installation;
    const row = await services.store.tax.taxClearance(tx, id, reply.reference);
    if (row === null) return false;
    // The answer may be quicker than our own note that the file is written.
    if (row.state === 'PREPARED') await this.#sent(tx, row.reference, row.company, services.clock.now());
    if ((STEPS[reply.state] ?? 0) > (STEPS[row.state] ?? 0)) {
      await services.store.tax.moveTaxClearance(tx, id, reply);
      await services.emit(tx, [this.#event(row.company, reply)]);
    }
    return true;
  }

  async #sent(tx: Tx, reference: string, company: string, at: Date): Promise<void> {
    const { services } = this.#at;
    const { id } = services.installation;
    const row = await services.store.tax.taxClearance(tx, id, reference);
    if (row?.state !== 'PREPARED') return;
    const step = { reference, state: 'SENT', at, receipt: null, reason: null } as const;
    await services.store.tax.moveTaxClearance(tx, id, step);
    await services.emit(tx, [this.#event(company, step)]);
  }

  #event(
    company: string,
    step: { reference: string; state: string; at: Date; receipt: string | null; reason: string | null },
  ): NewEvent {
    return {
      foreignId: `clearance ${step.reference} ${step.state}`,
      kind: 'CASE_CHANGED',
      time: step.at,
      company,
      case: this.#at.services.globalId(step.reference),
      data: { state: step.state, kind: 'TAX_CLEARANCE', receipt: step.receipt, reason: step.reason },
    };
  }

  #taxpayerNo(company: string): string {
    const found = Object.entries(this.#at.settings.companies).find(([, code]) => code === company);
    return found?.[0] ?? company;
  }
}

const fileOf = (reference: string): string => `outbound/clearance-${reference}.csv`;
