/** The only room that talks to the register; speaks our model outward. */
import type { Call, Claim, Job, Known, NewEvent, Services } from '../../kit/connector.ts';
import { badInput, rejected } from '../../kit/errors.ts';
import { byArguments } from '../../kit/loader.ts';
import * as mapping from '../mapping.ts';
import type { Application, Entry, Filing } from '../model.ts';
import { Bus, type RegistrationSettings } from './bus.ts';

export type { RegistrationSettings } from './bus.ts';
export type RegistrationRequest = ReturnType<RegistrationSource['request']>;

/** Entries in one page of a reading. */
const PAGE = 100;
/** Applications looked at in one run. */
const LOOKS = 200;
const DONE = ['REJECTED', 'WITHDRAWN', 'COMPLETED'];
/** Fields whose change is told. */
const WATCHED = ['legalName', 'status', 'legalRepresentative', 'capital', 'scope', 'address'] as const;

export class RegistrationSource {
  readonly #settings: RegistrationSettings;
  readonly #services: Services;
  readonly #bus: Bus;

  constructor(settings: RegistrationSettings, services: Services) {
    this.#settings = settings;
    this.#services = services;
    this.#bus = new Bus(settings);
  }

  /** One cheap question: an empty page. */
  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check', retry: false }, (signal) =>
      this.#bus.ask('listCompanies', { OFFSET: '0', LIMIT: '1' }, signal),
    );
  }

  get jobs(): readonly Job[] {
    return [
      { name: 'poll register', every: this.#settings.sync, run: (call) => this.#sync(call) },
      { name: 'poll applications', every: this.#settings.follow, run: (call) => this.#follow(call) },
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
        { operation: 'company', key: uscc },
        async (signal) =>
          mapping.entry(await this.#bus.ask('getCompany', { UNISCID: uscc }, signal, call.principal.subject)),
        (one) => one?.changedAt ?? (one?.approvedOn ? new Date(`${one.approvedOn}T00:00:00+08:00`) : null),
      ),
    }));
    return {
      entry: (uscc: string) => entries(uscc).known,
      submit: (clientMutationId: string, filing: Filing) => this.#submit(call, clientMutationId, filing),
      withdraw: (clientMutationId: string, number: string) => this.#withdraw(call, clientMutationId, number),
    };
  }

  async #submit(call: Call, clientMutationId: string, filing: Filing): Promise<Known<Application>> {
    const { guard, once } = this.#services;
    const known = await once(
      call,
      { mutation: 'submitRegistration', clientMutationId, payload: filing },
      (reference) =>
        guard.act(call, 'submit application', async (signal) =>
          this.#answered(
            await this.#bus.ask(
              'submitApplication',
              mapping.filingFields(reference, filing),
              signal,
              call.principal.subject,
            ),
          ),
        ),
      async (reference) => {
        const found = await guard.read(
          call,
          { operation: 'application by reference', key: reference },
          async (signal) =>
            mapping.application(await this.#bus.ask('getApplication', { REFERENCE: reference }, signal)),
        );
        return found.value === null ? null : { ...found, value: found.value };
      },
    );
    await this.#tell([known.value]);
    return known;
  }

  async #withdraw(call: Call, clientMutationId: string, number: string): Promise<Known<Application>> {
    const { guard, once } = this.#services;
    const ask = (operation: 'withdrawApplication' | 'getApplication') => async (signal: AbortSignal) =>
      this.#answered(await this.#bus.ask(operation, { APPLNO: number }, signal, call.principal.subject));
    const known = await once(
      call,
      { mutation: 'withdrawRegistration', clientMutationId, payload: { number } },
      () => guard.act(call, 'withdraw application', ask('withdrawApplication')),
      async () => {
        const found = await guard.read(
          call,
          { operation: 'application by number', key: number },
          ask('getApplication'),
        );
        return found.value.state === 'WITHDRAWN' ? found : null;
      },
    );
    if (known.value.state !== 'WITHDRAWN')
      throw badInput(`The application cannot be taken back: it is ${known.value.state} already.`);
    await this.#tell([known.value]);
    return known;
  }

  #answered(body: Parameters<typeof mapping.application>[0]): Application {
    const one = mapping.application(body);
    if (one === null) throw rejected('the register knows no such application');
    return one;
  }

  /** Reads what has changed since the cursor, a page a transaction: names for the hub, changes as events. */
  async #sync(call: Call): Promise<void> {
    const { services } = { services: this.#services };
    const since = await services.read((tx) => services.state.get<string>(tx, 'since'));
    let newest = since;
    for (let offset = 0; !call.signal.aborted; ) {
      const page = await services.guard.read(services.call(30_000), { operation: 'poll register' }, async (signal) =>
        mapping.entries(
          await this.#bus.ask(
            'listCompanies',
            { OFFSET: String(offset), LIMIT: String(PAGE), ...(since ? { CHANGEDSINCE: since } : {}) },
            signal,
          ),
        ),
      );
      const { entries, total } = page.value;
      await this.#keep(entries);
      for (const { changedAt } of entries) {
        if (changedAt && (newest === null || changedAt.toISOString() > newest)) newest = changedAt.toISOString();
      }
      offset += entries.length;
      if (entries.length === 0 || offset >= total) break;
    }
    // Only after the last page: pages move when an entry changes in between, and reading some twice is harmless.
    if (newest !== since) await services.transaction((tx) => services.state.set(tx, 'since', newest));
  }

  async #keep(entries: readonly Entry[]): Promise<void> {
    const { store, installation, transaction, identify, emit, clock } = this.#services;
    await transaction(async (tx) => {
      const seen = await store.registration.seenEntries(
        tx,
        installation.id,
        entries.map((one) => one.uscc),
      );
      const events: NewEvent[] = [];
      for (const one of entries) {
        const before = seen.get(one.uscc)?.fields;
        // What is seen for the first time is no change.
        if (!before) continue;
        const fields = WATCHED.filter(
          (name) => JSON.stringify(before[name] ?? null) !== JSON.stringify(one[name] ?? null),
        );
        if (fields.length === 0) continue;
        const time = one.changedAt ?? clock.now();
        events.push({
          foreignId: `changed ${one.uscc} ${time.toISOString()}`,
          kind: 'REGISTRATION_CHANGED',
          time,
          company: one.uscc,
          data: { fields },
        });
      }
      await store.registration.saveEntries(
        tx,
        installation.id,
        entries.map((one) => ({
          uscc: one.uscc,
          fields: Object.fromEntries(WATCHED.map((name) => [name, one[name]])),
        })),
      );
      await identify(
        tx,
        entries.map(
          (one): Claim => ({ entity: 'COMPANY', key: one.uscc, system: 'uscc', value: one.uscc, name: one.legalName }),
        ),
      );
      await emit(tx, events);
    });
  }

  /** Looks at applications under way. */
  async #follow(call: Call): Promise<void> {
    const { services } = { services: this.#services };
    const open = await services.read((tx) =>
      services.store.registration.openApplications(tx, services.installation.id, LOOKS),
    );
    for (const one of open) {
      if (call.signal.aborted) return;
      const found = await services.guard.read(
        services.call(10_000),
        { operation: 'poll application' },
        async (signal) => mapping.application(await this.#bus.ask('getApplication', { APPLNO: one.number }, signal)),
      );
      if (found.value && found.value.state !== one.state) await this.#tell([found.value]);
    }
  }

  /** Writes the case's state before anyone is answered. */
  async #tell(applications: readonly Application[]): Promise<void> {
    const { store, installation, transaction, emit, globalId } = this.#services;
    await transaction(async (tx) => {
      for (const one of applications)
        await store.registration.saveApplication(tx, installation.id, one, DONE.includes(one.state));
      await emit(
        tx,
        applications.map(
          (one): NewEvent => ({
            foreignId: `application ${one.number} ${one.state}`,
            kind: 'CASE_CHANGED',
            time: one.since,
            company: one.uscc,
            case: globalId(one.number),
            data: { state: one.state, kind: 'REGISTRATION', receipt: one.number, reason: one.reason },
          }),
        ),
      );
    });
  }
}
