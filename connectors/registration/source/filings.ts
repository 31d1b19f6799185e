/** Filings with the register: submitted once, withdrawn, and polled until they are completed. */
import type { Call } from '../../kit/call.ts';
import type { Sourced } from '../../kit/connector.ts';
import { badInput, HubError, malformed, rejected } from '../../kit/errors.ts';
import type { NewEvent, Services } from '../../kit/services.ts';
import * as mapping from '../mapping/index.ts';
import type { Application, Filing } from '../model.ts';
import type { XRoadClient } from './x-road-client.ts';

/** Applications read from the hub's table at once. */
const PAGE_SIZE = 200;
/** Milliseconds. After no application was open, the table is read again this late, unless this process submits one. */
const RECHECK_INTERVAL = 30_000;
/** Characters that XML does not allow: control characters and unpaired surrogates. */
const INVALID_XML = /[^\t\n\r\x20-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u;
const FINAL_STATES: readonly Application['state'][] = ['REJECTED', 'WITHDRAWN', 'COMPLETED'];

export class Filings {
  readonly #client: XRoadClient;
  readonly #services: Services;
  /** Until when no application is open, by the clock's `monotonic()`, as far as this process knows. */
  #noneOpenUntil = Number.NEGATIVE_INFINITY;

  constructor(bus: XRoadClient, services: Services) {
    this.#client = bus;
    this.#services = services;
  }

  /**
   * Submits the filing under the hub's id. If the response of an earlier attempt was lost, queries the register by that id instead of
   * submitting again. Throws BAD_USER_INPUT for invalid fields, FORBIDDEN for a company that the caller may not act for.
   */
  async submit(call: Call, clientMutationId: string, filing: Filing): Promise<Sourced<Application>> {
    const { guard, installation, runOnce: once } = this.#services;
    assertMayActFor(call, filing.uscc);
    if (!/^\d/.test(filing.capital.value)) throw badInput('Invalid capital.value: it must not be negative.');
    if (!/^[A-Z]{3}$/.test(filing.capital.currency))
      throw badInput('Invalid capital.currency: it must be an ISO 4217 code such as CNY.');
    for (const name of ['legalName', 'legalRepresentative', 'scope', 'address'] as const) {
      if (filing[name].trim() === '') throw badInput(`Invalid ${name}: it must not be empty.`);
      if (INVALID_XML.test(filing[name]))
        throw badInput(`Invalid ${name}: it contains a character that XML does not allow. Remove control characters.`);
    }
    const known = await once(
      call,
      { mutation: 'submitRegistration', clientMutationId, payload: { installation: installation.id, ...filing } },
      (reference) =>
        guard.write(call, 'submit application', async (signal) =>
          assertMatches(
            { reference },
            requireApplication(
              await this.#client.request('submitApplication', mapping.filingFields(reference, filing), signal, {
                user: call.principal.subject,
                issue: reference,
              }),
            ),
          ),
        ),
      async (reference) => {
        const { value, facts } = await guard.read(
          call,
          { operation: 'application by reference', key: reference },
          async (signal) =>
            assertMatches(
              { reference },
              mapping.parseApplication(await this.#client.request('getApplication', { REFERENCE: reference }, signal)),
            ),
        );
        return value === null ? null : { value, facts };
      },
    );
    await this.#saveStates([known.value]);
    return known;
  }

  /** Withdraws a filing. Throws BAD_USER_INPUT when it is completed already. */
  async withdraw(call: Call, clientMutationId: string, number: string): Promise<Sourced<Application>> {
    const { guard, globalId, runOnce: once } = this.#services;
    const ask = (operation: 'withdrawApplication' | 'getApplication') => async (signal: AbortSignal) =>
      assertMatches(
        { number },
        requireApplication(
          await this.#client.request(operation, { APPLNO: number }, signal, {
            user: call.principal.subject,
            issue: number,
          }),
        ),
      );
    const now = () => guard.read(call, { operation: 'application by number', key: number }, ask('getApplication'));
    // After completion only the register knows the company of a filing.
    if (call.principal.companies !== null) assertMayActFor(call, (await now()).value.uscc);
    const known = await once(
      call,
      { mutation: 'withdrawRegistration', clientMutationId, payload: { case: globalId(number) } },
      () => guard.write(call, 'withdraw application', ask('withdrawApplication')),
      async () => {
        const found = await now();
        return found.value.state === 'WITHDRAWN' ? found : null;
      },
    );
    if (known.value.state !== 'WITHDRAWN') {
      throw badInput(`The application cannot be withdrawn: its state is ${known.value.state}.`);
    }
    await this.#saveStates([known.value]);
    return known;
  }

  /** Reads the state of every open application. Continues after an error and rejects with the last one at the end. */
  async pollApplications(call: Call): Promise<void> {
    const { clock, guard, installation, read, store } = this.#services;
    if (clock.monotonic() < this.#noneOpenUntil) return;
    // Set before the read: what is submitted meanwhile resets it.
    this.#noneOpenUntil = clock.monotonic() + RECHECK_INTERVAL;
    let lastError: unknown;
    for (let after = ''; !call.signal.aborted; ) {
      const page = await read((tx) => store.registration.openApplications(tx, installation.id, after, PAGE_SIZE)).catch(
        (error: unknown) => {
          this.#noneOpenUntil = Number.NEGATIVE_INFINITY;
          throw error;
        },
      );
      if (page.length > 0) this.#noneOpenUntil = Number.NEGATIVE_INFINITY;
      for (const one of page) {
        if (call.signal.aborted) return;
        try {
          const { value } = await guard.read(call, { operation: 'poll application' }, async (signal) =>
            assertMatches(
              one,
              mapping.parseApplication(await this.#client.request('getApplication', { APPLNO: one.number }, signal)),
            ),
          );
          if (value && value.state !== one.state) await this.#saveStates([value]);
        } catch (error) {
          lastError = error;
        }
      }
      const last = page.at(-1);
      if (!last || page.length < PAGE_SIZE) break;
      after = last.number;
    }
    if (lastError) throw lastError;
  }

  /** Stores the states and emits their events; awaited before a mutation returns. */
  async #saveStates(applications: readonly Application[]): Promise<void> {
    const { store, installation, transaction, emit, globalId } = this.#services;
    await transaction(async (tx) => {
      for (const one of applications) {
        await store.registration.saveApplication(tx, installation.id, one, FINAL_STATES.includes(one.state));
      }
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
    this.#noneOpenUntil = Number.NEGATIVE_INFINITY;
  }
}

function assertMayActFor({ principal }: Call, uscc: string): void {
  if (principal.companies !== null && !principal.companies.includes(uscc)) {
    throw new HubError('FORBIDDEN', 'Not permitted to act for this company. Use a token that includes the company.');
  }
}

/** Throws SOURCE_MALFORMED when the application is not the requested one. */
function assertMatches<T extends Application | null>(requested: { number?: string; reference?: string }, found: T): T {
  for (const name of ['number', 'reference'] as const) {
    if (found && requested[name] !== undefined && found[name] !== requested[name]) {
      throw malformed(`application has another ${name} than requested`);
    }
  }
  return found;
}

function requireApplication(body: Parameters<typeof mapping.parseApplication>[0]): Application {
  const application = mapping.parseApplication(body);
  if (application === null) throw rejected('application not found in the register');
  return application;
}
