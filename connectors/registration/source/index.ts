/** Reads the company register over X-Road and returns model objects. */
import type { Call } from '../../kit/call.ts';
import type { Drift, Job, Sourced } from '../../kit/connector.ts';
import { malformed } from '../../kit/errors.ts';
import { memoizeByArguments } from '../../kit/loader.ts';
import { findMissing } from '../../kit/monitoring/drift.ts';
import type { Services } from '../../kit/services.ts';
import * as mapping from '../mapping/index.ts';
import type { Entry, Filing } from '../model.ts';
import type { RegistrationSettings } from '../settings.ts';
import { Filings } from './filings.ts';
import { syncRegister } from './register-sync.ts';
import { XRoadClient } from './x-road-client.ts';

export type RegistrationRequest = ReturnType<RegistrationSource['request']>;

/** Number of entries that are compared for drift. */
const DRIFT_SAMPLE = 20;

export class RegistrationSource {
  readonly #settings: RegistrationSettings;
  readonly #services: Services;
  readonly #client: XRoadClient;
  readonly #filings: Filings;

  constructor(settings: RegistrationSettings, services: Services) {
    this.#settings = settings;
    this.#services = services;
    this.#client = new XRoadClient(settings);
    this.#filings = new Filings(this.#client, services);
  }

  /** Requests a page of one entry. */
  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check', retry: false }, (signal) =>
      this.#client.request('listCompanies', { OFFSET: '0', LIMIT: '1' }, signal),
    );
  }

  /** Expected elements that no entry of a page has. Reports nothing when the page is smaller than the sample. */
  async drift(call: Call): Promise<readonly Drift[]> {
    const { value } = await this.#services.guard.read(call, { operation: 'check', retry: false }, async (signal) =>
      mapping.elementNames(
        await this.#client.request('listCompanies', { OFFSET: '0', LIMIT: String(DRIFT_SAMPLE) }, signal),
      ),
    );
    if (value.entries < DRIFT_SAMPLE) return [];
    return findMissing(mapping.WATCHED_ELEMENTS, value.names, (part) => `no entry of ${value.entries} has ${part}`);
  }

  get jobs(): readonly Job[] {
    return [
      {
        name: 'poll register',
        every: this.#settings.sync,
        run: (call) => syncRegister(call, this.#client, this.#services),
      },
      { name: 'poll applications', every: this.#settings.follow, run: (call) => this.#filings.pollApplications(call) },
    ];
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  /** Reads and mutations of one request. The register has no batch operation: each credit code is one call, shared if repeated. */
  request(call: Call) {
    const entries = memoizeByArguments((uscc: string): { known: Promise<Sourced<Entry | null>> } => ({
      known: this.#services.guard.read(
        call,
        { operation: 'company', key: uscc, type: 'Registration', about: [uscc] },
        async (signal) => {
          const user = call.principal.subject;
          const entry = mapping.parseEntry(
            await this.#client.request('getCompany', { UNISCID: uscc }, signal, { user }),
          );
          if (entry && entry.uscc !== uscc) throw malformed('company.UNISCID differs from the requested one');
          return entry;
        },
        (entry) => entry?.changedAt ?? (entry?.approvedOn ? new Date(`${entry.approvedOn}T00:00:00+08:00`) : null),
      ),
    }));
    return {
      /** The register entry; null when the register does not have the code. */
      entry: (uscc: string) => entries(uscc).known,
      submit: (clientMutationId: string, filing: Filing) => this.#filings.submit(call, clientMutationId, filing),
      withdraw: (clientMutationId: string, number: string) => this.#filings.withdraw(call, clientMutationId, number),
    };
  }
}
