/** Reads the hub's own tables. All keys loaded in one tick are one SQL query. */
import { LRUCache } from 'lru-cache';
import { hasConsent, hasScope, mayAccessPark, type Principal } from '../kit/auth/principal.ts';
import type { Call } from '../kit/call.ts';
import type { Tx } from '../kit/connector.ts';
import type { EventProblem } from '../kit/events/event-check.ts';
import { reportInvalidEvents, toQuarantinedEvent } from '../kit/events/event-quarantine.ts';
import { EVENT_KINDS } from '../kit/events/event-types.ts';
import { loader } from '../kit/loader.ts';
import { SourceReporter } from '../kit/monitoring/source-status.ts';
import type { PageRequest } from '../kit/pagination.ts';
import type { ProvenanceFacts } from '../kit/provenance.ts';
import type { Services } from '../kit/services.ts';
import * as mapping from './mapping/index.ts';
import type {
  Access,
  Building,
  Case,
  Company,
  Conflict,
  Consent,
  Identifier,
  LoggedEvent,
  Park,
  ReportedFact,
  Source,
} from './model.ts';

export type HubRequest = ReturnType<HubSource['request']>;

/** Conditions on a list of companies. All given conditions must match. */
export interface CompanyQuery {
  readonly park?: readonly string[];
  readonly source?: readonly string[];
  readonly uscc?: readonly string[];
  readonly nameEq?: readonly string[];
  readonly nameContains?: string;
}

/** A time range: `from` inclusive, `to` exclusive. */
export interface TimeSpan {
  readonly from?: Date;
  readonly to?: Date;
}

/** A logged event that does not match its type, with the reason. */
export interface UnreadableEvent {
  readonly row: LoggedEvent;
  readonly fault: EventProblem;
}

export class HubSource {
  readonly #services: Services;
  readonly #reports: SourceReporter;
  /** Quarantined events: position to reason. */
  readonly #quarantined = new LRUCache<string, string>({ max: 10_000 });

  constructor(services: Services) {
    this.#services = services;
    this.#reports = new SourceReporter(services.clock);
  }

  /** Resolves if the database responds. */
  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check' }, () =>
      this.#services.read((tx) => tx.query('SELECT 1')),
    );
  }

  /** Creates the loaders of one request. Lists and events contain only rows that the principal may see. */
  request(call: Call) {
    const { store, clock } = this.#services;
    const read = <T>(work: (tx: Tx) => Promise<T>) => this.#services.read(work, call);
    const { principal } = call;
    const visibleCompanies = (query: CompanyQuery): CompanyQuery => companiesOf(principal, query);
    const visibleEvents = (filter: mapping.EventFilter | null | undefined) =>
      eventsOf(principal, mapping.eventQuery(filter));
    const hub = store.hub;
    const parks = loader<Park>((ids) => read((tx) => hub.parksByIds(tx, ids)));
    const buildings = loader<Building>(async (ids) =>
      mapped(await read((tx) => hub.buildingsByIds(tx, ids)), mapping.building),
    );
    const buildingsOf = loader<Building[]>(async (ids) =>
      mapped(await read((tx) => hub.buildingsByPark(tx, ids)), (rows) => rows.map(mapping.building)),
    );
    const companies = loader<Company>(async (codes) =>
      mapped(await read((tx) => hub.companiesByCodes(tx, codes)), mapping.company),
    );
    const identifiers = loader<Identifier[]>((codes) => read((tx) => hub.identifiersOf(tx, 'COMPANY', codes)));
    const withIdentifiers = loader<Company>(async (codes) => {
      const found = await read((tx) => hub.companiesWithIdentifiers(tx, codes));
      for (const [uscc, row] of found) {
        companies.prime(uscc, mapping.company(row));
        identifiers.prime(uscc, row.identifiers);
      }
      return mapped(found, mapping.company);
    });
    const conflicts = loader<Conflict[]>(async (codes) =>
      mapped(await read((tx) => hub.factsOf(tx, codes)), (facts, uscc) =>
        mapping.conflicts(facts.filter((fact) => mayReadFact(principal, uscc, fact))),
      ),
    );
    const cases = loader<Case>((ids) => read((tx) => hub.casesByIds(tx, ids)));
    let sources: Promise<Source[]> | undefined;
    const pageOf = (page: PageRequest) => ({ forward: page.forward, limit: page.size + 1, place: page.position });
    return {
      call,
      park: (id: string) => parks.load(id),
      parks: (): Promise<Park[]> => read((tx) => hub.allParks(tx)),
      building: (id: string) => buildings.load(id),
      buildingsOf: async (park: string): Promise<Building[]> => (await buildingsOf.load(park)) ?? [],
      company: (uscc: string) => companies.load(uscc),
      /** The same for the start of a query: its identifiers are read by the same statement. */
      rootCompany: (uscc: string) => withIdentifiers.load(uscc),
      /** The company's ids in the installations of the caller's parks. */
      identifiers: async (uscc: string): Promise<Identifier[]> =>
        ((await identifiers.load(uscc)) ?? []).filter(({ park }) => mayAccessPark(principal, park)),
      /** Facts that installations report differently. */
      conflicts: async (uscc: string): Promise<Conflict[]> => (await conflicts.load(uscc)) ?? [],
      companies: async (query: CompanyQuery, page: PageRequest): Promise<Company[]> => {
        const rows = await read((tx) => hub.companyPage(tx, visibleCompanies(query), pageOf(page)));
        for (const row of rows) companies.prime(row.uscc, mapping.company(row));
        return rows;
      },
      companyCount: (query: CompanyQuery) => read((tx) => hub.companyCount(tx, visibleCompanies(query))),
      /** All sources, read once per request: they are few. */
      sources: (): Promise<Source[]> => {
        sources ??= read((tx) => hub.allSources(tx)).then((rows) => rows.map((row) => this.#reports.report(row)));
        return sources;
      },
      case: (id: string) => cases.load(id),
      /** Cases filed through installations of the caller's parks. */
      cases: (uscc: string, page: PageRequest): Promise<Case[]> =>
        read((tx) => hub.casePage(tx, uscc, principal.parks, pageOf(page))),
      caseCount: (uscc: string) => read((tx) => hub.caseCount(tx, uscc, principal.parks)),
      events: (filter: mapping.EventFilter | null | undefined, page: PageRequest): Promise<LoggedEvent[]> =>
        read((tx) =>
          hub.eventPage(tx, visibleEvents(filter), {
            forward: page.forward,
            limit: page.size + 1,
            place: page.position === null ? null : String(page.position[0]),
          }),
        ),
      eventCount: (filter: mapping.EventFilter | null | undefined) =>
        read((tx) => hub.eventCount(tx, visibleEvents(filter))),
      /** Events with after < position <= upTo, oldest first. */
      eventRange: (
        filter: mapping.EventFilter | null | undefined,
        range: { after: string; upTo: string; limit: number },
      ): Promise<LoggedEvent[]> => read((tx) => hub.eventRange(tx, visibleEvents(filter), range)),
      /** Quarantines events that do not match their type and logs each once. Does not wait for the write. */
      quarantine: (events: readonly UnreadableEvent[]): void => this.#quarantine(events),
      logStart: () => read((tx) => hub.logStart(tx)),
      headPosition: () => read((tx) => hub.headPosition(tx)),
      /** Start of the day of the first event after this position; null if the log has no days. */
      dayBehind: (position: string) => read((tx) => hub.dayOfNextEvent(tx, position)),
      /** Accesses to the company's data, oldest first. */
      accesses: async (uscc: string, span: TimeSpan, page: PageRequest): Promise<Access[]> =>
        (await read((tx) => hub.accessPage(tx, uscc, span, pageOf(page)))).map(mapping.access),
      accessCount: (uscc: string, span: TimeSpan) => read((tx) => hub.accessCount(tx, uscc, span)),
      consents: (uscc: string): Promise<Consent[]> => read((tx) => hub.consentsOf(tx, uscc)),
      consent: (id: string): Promise<Consent | null> => read((tx) => hub.consentById(tx, id)),
      grantConsent: (
        clientMutationId: string,
        consent: { company: string; client: string; purpose: string; expiresAt: Date | null },
      ): Promise<Consent> =>
        this.#services.runOnce(call, { mutation: 'grantConsent', clientMutationId, payload: consent }, () =>
          this.#services.transaction((tx) =>
            hub.grantConsent(tx, { ...consent, by: call.principal.subject, at: clock.now() }),
          ),
        ),
      revokeConsent: (clientMutationId: string, id: string): Promise<Consent | null> =>
        this.#services.runOnce(call, { mutation: 'revokeConsent', clientMutationId, payload: id }, () =>
          this.#services.transaction((tx) => hub.revokeConsent(tx, id, call.principal.subject, clock.now())),
        ),
    };
  }

  /** Runs in the background; readers of the log do not wait for it. A failed write is repeated when the event is read again. */
  #quarantine(events: readonly UnreadableEvent[]): void {
    const { store, transaction, log } = this.#services;
    const added = events.filter(({ row, fault }) => this.#quarantined.get(row.position) !== fault.problem);
    if (added.length === 0) return;
    for (const { row, fault } of added) this.#quarantined.set(row.position, fault.problem);
    const rows = added.map(({ row, fault }) => toQuarantinedEvent(row, fault));
    transaction((tx) => store.hub.quarantineEvents(tx, rows)).then(
      (written) => reportInvalidEvents(log, written),
      (error: unknown) => {
        for (const { row } of added) this.#quarantined.delete(row.position);
        log.warn('Failed to quarantine events that do not match their type. Retrying when they are read again.', {
          error,
        });
      },
    );
  }

  /** Provenance of the hub's own records. */
  facts(recordedAt: Date | null = null): ProvenanceFacts {
    return {
      source: this.#services.installation.id,
      system: 'hub',
      fetchedAt: this.#services.clock.now(),
      recordedAt,
      stale: false,
    };
  }
}

/** Adds the caller's row rights to the query: visible companies in visible parks. */
function companiesOf({ companies, parks }: Principal, query: CompanyQuery): CompanyQuery {
  return {
    ...query,
    ...(companies === null ? {} : { uscc: intersect(companies, query.uscc) }),
    ...(parks === null ? {} : { park: intersect(parks, query.park) }),
  };
}

/** Scope required to read events of a kind; other kinds require none. */
const KIND_RIGHTS: Readonly<Record<string, string>> = {
  ACCESS_GRANTED: 'access:read',
  ACCESS_DENIED: 'access:read',
  DOOR_STATE_CHANGED: 'access:read',
  VEHICLE_ENTERED: 'parking:read',
  VEHICLE_EXITED: 'parking:read',
  METER_READING_TAKEN: 'energy:read',
  METER_ALARM: 'energy:read',
  REGISTRATION_CHANGED: 'registration:read',
  TAX_FILE_RECEIVED: 'tax:read',
};

/** Scope required to see the company of a passage or drive, and to filter such events by company or vehicle. */
const MOVEMENT_RIGHTS: Readonly<Record<string, string>> = {
  ACCESS_GRANTED: 'access:persons',
  ACCESS_DENIED: 'access:persons',
  VEHICLE_ENTERED: 'parking:movements',
  VEHICLE_EXITED: 'parking:movements',
};

const holds = (principal: Principal, right: string | undefined): boolean =>
  right === undefined || hasScope(principal, right) || principal.roles.includes('hub');

/** Whether the caller may see to which company an event of this kind belongs. */
export const mayIdentify = (principal: Principal, kind: string): boolean => holds(principal, MOVEMENT_RIGHTS[kind]);

/** Adds the caller's row rights and readable kinds to the query of the event log. */
function eventsOf(principal: Principal, query: Record<string, string[] | Date>): Record<string, string[] | Date> {
  const { companies, parks } = principal;
  const list = (name: string) => query[name] as string[] | undefined;
  const identifies = list('company') !== undefined || list('vehicle') !== undefined;
  const kinds = EVENT_KINDS.filter(
    (kind) => holds(principal, KIND_RIGHTS[kind]) && (!identifies || mayIdentify(principal, kind)),
  );
  const limited = kinds.length < EVENT_KINDS.length;
  return {
    ...query,
    ...(limited ? { kind: intersect(kinds, list('kind')) } : {}),
    ...(companies === null ? {} : { company: intersect(companies, list('company')) }),
    ...(parks === null ? {} : { park: intersect(parks, list('park')) }),
  };
}

/** The requested values that are visible; all visible ones if none are requested. */
const intersect = (visible: readonly string[], requested: readonly string[] | undefined): string[] =>
  requested === undefined ? [...visible] : requested.filter((value) => visible.includes(value));

/**
 * Whether the caller may see a reported fact: its park is visible. Names are public; other facts from tax files require the right
 * to read the tax account.
 */
const mayReadFact = (principal: Principal, uscc: string, { park, connector, field }: ReportedFact): boolean =>
  (principal.parks === null || (park !== null && mayAccessPark(principal, park))) &&
  (connector !== 'tax' || field === 'name' || (hasScope(principal, 'tax:read') && hasConsent(principal, 'tax', uscc)));

const mapped = <A, B>(rows: ReadonlyMap<string, A>, map: (row: A, key: string) => B): Map<string, B> =>
  new Map([...rows].map(([key, row]) => [key, map(row, key)]));

// The graph imports from the source only, so the mapping functions that it needs are re-exported here.
export { checkLoggedEvent, type EventFilter, eventShape, filterScope, matchingKeys } from './mapping/index.ts';
