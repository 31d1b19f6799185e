/** Filings with the register: sent once, taken back, and followed until they are done. */
import type { Call, Known, NewEvent, Services } from '../../kit/connector.ts';
import { badInput, HubError, malformed, rejected } from '../../kit/errors.ts';
import * as mapping from '../mapping.ts';
import type { Application, Filing } from '../model.ts';
import type { Bus } from './bus.ts';

/** Applications read from our table at once. */
const PAGE = 200;
/** What XML cannot carry: control characters and halves of characters. */
const UNWRITABLE = /[^\t\n\r\x20-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u;
const DONE: readonly Application['state'][] = ['REJECTED', 'WITHDRAWN', 'COMPLETED'];

export class Filings {
  readonly #bus: Bus;
  readonly #services: Services;

  constructor(bus: Bus, services: Services) {
    this.#bus = bus;
    this.#services = services;
  }

  /** Sends the filing under our own id. When a former answer was lost, the register is asked for that id instead. */
  async submit(call: Call, clientMutationId: string, filing: Filing): Promise<Known<Application>> {
    const { guard, installation, once } = this.#services;
    mayActFor(call, filing.uscc);
    if (!/^\d/.test(filing.capital.value)) throw badInput('capital must not be negative.');
    if (!/^[A-Z]{3}$/.test(filing.capital.currency)) throw badInput('capital.currency must be a code of ISO 4217.');
    for (const name of ['legalName', 'legalRepresentative', 'scope', 'address'] as const) {
      if (filing[name].trim() === '') throw badInput(`${name} must not be empty.`);
      if (UNWRITABLE.test(filing[name])) throw badInput(`${name} holds a character that the register cannot take.`);
    }
    const known = await once(
      call,
      { mutation: 'submitRegistration', clientMutationId, payload: { installation: installation.id, ...filing } },
      (reference) =>
        guard.act(call, 'submit application', async (signal) =>
          expected(
            { reference },
            present(
              await this.#bus.ask('submitApplication', mapping.filingFields(reference, filing), signal, {
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
            expected(
              { reference },
              mapping.application(await this.#bus.ask('getApplication', { REFERENCE: reference }, signal)),
            ),
        );
        return value === null ? null : { value, facts };
      },
    );
    await this.#tell([known.value]);
    return known;
  }

  /** Takes a filing back; one that is done already is BAD_USER_INPUT. */
  async withdraw(call: Call, clientMutationId: string, number: string): Promise<Known<Application>> {
    const { guard, globalId, once } = this.#services;
    const ask = (operation: 'withdrawApplication' | 'getApplication') => async (signal: AbortSignal) =>
      expected(
        { number },
        present(
          await this.#bus.ask(operation, { APPLNO: number }, signal, { user: call.principal.subject, issue: number }),
        ),
      );
    const now = () => guard.read(call, { operation: 'application by number', key: number }, ask('getApplication'));
    // Whose filing it is, only the register knows once it is done.
    if (call.principal.companies !== null) mayActFor(call, (await now()).value.uscc);
    const known = await once(
      call,
      { mutation: 'withdrawRegistration', clientMutationId, payload: { case: globalId(number) } },
      () => guard.act(call, 'withdraw application', ask('withdrawApplication')),
      async () => {
        const found = await now();
        return found.value.state === 'WITHDRAWN' ? found : null;
      },
    );
    if (known.value.state !== 'WITHDRAWN') {
      throw badInput(`The application cannot be taken back: it is ${known.value.state} already.`);
    }
    await this.#tell([known.value]);
    return known;
  }

  /** Looks at every application under way. One that cannot be read does not hold up the others; the run fails in the end. */
  async follow(call: Call): Promise<void> {
    const { guard, installation, read, store } = this.#services;
    let fault: unknown;
    for (let after = ''; !call.signal.aborted; ) {
      const page = await read((tx) => store.registration.openApplications(tx, installation.id, after, PAGE));
      for (const one of page) {
        if (call.signal.aborted) return;
        try {
          const { value } = await guard.read(call, { operation: 'poll application' }, async (signal) =>
            expected(one, mapping.application(await this.#bus.ask('getApplication', { APPLNO: one.number }, signal))),
          );
          if (value && value.state !== one.state) await this.#tell([value]);
        } catch (error) {
          fault = error;
        }
      }
      const last = page.at(-1);
      if (!last || page.length < PAGE) break;
      after = last.number;
    }
    if (fault) throw fault;
  }

  /** Writes the case's state before anyone is answered. */
  async #tell(applications: readonly Application[]): Promise<void> {
    const { store, installation, transaction, emit, globalId } = this.#services;
    await transaction(async (tx) => {
      for (const one of applications) {
        await store.registration.saveApplication(tx, installation.id, one, DONE.includes(one.state));
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
  }
}

function mayActFor({ principal }: Call, uscc: string): void {
  if (principal.companies !== null && !principal.companies.includes(uscc)) {
    throw new HubError('FORBIDDEN', 'You may not act for this company.');
  }
}

/** Refuses an application that is not the one that was sent or asked for. */
function expected<T extends Application | null>(asked: { number?: string; reference?: string }, one: T): T {
  for (const name of ['number', 'reference'] as const) {
    if (one && asked[name] !== undefined && one[name] !== asked[name]) {
      throw malformed(`application: its ${name} is not the one that was asked for`);
    }
  }
  return one;
}

function present(body: Parameters<typeof mapping.application>[0]): Application {
  const one = mapping.application(body);
  if (one === null) throw rejected('the register knows no such application');
  return one;
}
