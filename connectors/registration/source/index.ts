/** The only room that talks to the register; speaks our model outward. */
import type { Call, Drift, Job, Known, Services } from '../../kit/connector.ts';
import { malformed } from '../../kit/errors.ts';
import { byArguments } from '../../kit/loader.ts';
import { missing } from '../../kit/monitoring/drift.ts';
import * as mapping from '../mapping.ts';
import type { Entry, Filing } from '../model.ts';
import { Bus, type RegistrationSettings } from './bus.ts';
import { Filings } from './filings.ts';
import { readRegister } from './reading.ts';

export type { RegistrationSettings } from './bus.ts';
export type RegistrationRequest = ReturnType<RegistrationSource['request']>;

/** Entries that are looked at for drift. */
const COMPARED = 20;

export class RegistrationSource {
  readonly #settings: RegistrationSettings;
  readonly #services: Services;
  readonly #bus: Bus;
  readonly #filings: Filings;

  constructor(settings: RegistrationSettings, services: Services) {
    this.#settings = settings;
    this.#services = services;
    this.#bus = new Bus(settings);
    this.#filings = new Filings(this.#bus, services);
  }

  /** One cheap question: a page of one. */
  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check', retry: false }, (signal) =>
      this.#bus.ask('listCompanies', { OFFSET: '0', LIMIT: '1' }, signal),
    );
  }

  /** Elements that no entry of a page has any more; a page of few entries says nothing. */
  async drift(call: Call): Promise<readonly Drift[]> {
    const { value } = await this.#services.guard.read(call, { operation: 'check', retry: false }, async (signal) =>
      mapping.elementsOf(await this.#bus.ask('listCompanies', { OFFSET: '0', LIMIT: String(COMPARED) }, signal)),
    );
    if (value.entries < COMPARED) return [];
    return missing(mapping.ELEMENTS, value.names, (part) => `no entry of ${value.entries} has ${part}`);
  }

  get jobs(): readonly Job[] {
    return [
      {
        name: 'poll register',
        every: this.#settings.sync,
        run: (call) => readRegister(call, this.#bus, this.#services),
      },
      { name: 'poll applications', every: this.#settings.follow, run: (call) => this.#filings.follow(call) },
    ];
  }

  close(): Promise<void> {
    return this.#bus.close();
  }

  /** What one request needs. The register knows no batch: each code is a call, under the guard's limit, equal ones shared. */
  request(call: Call) {
    const entries = byArguments((uscc: string): { known: Promise<Known<Entry | null>> } => ({
      known: this.#services.guard.read(
        call,
        { operation: 'company', key: uscc, type: 'Registration', about: [uscc] },
        async (signal) => {
          const user = call.principal.subject;
          const one = mapping.entry(await this.#bus.ask('getCompany', { UNISCID: uscc }, signal, { user }));
          if (one && one.uscc !== uscc) throw malformed('company.UNISCID is not the one that was asked for');
          return one;
        },
        (one) => one?.changedAt ?? (one?.approvedOn ? new Date(`${one.approvedOn}T00:00:00+08:00`) : null),
      ),
    }));
    return {
      /** What the register says now; null when it does not know the code. */
      entry: (uscc: string) => entries(uscc).known,
      submit: (clientMutationId: string, filing: Filing) => this.#filings.submit(call, clientMutationId, filing),
      withdraw: (clientMutationId: string, number: string) => this.#filings.withdraw(call, clientMutationId, number),
    };
  }
}
