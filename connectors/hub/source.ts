/** The hub's own tables, asked in batches: one query for all keys of a tick. */
import { LRUCache } from 'lru-cache';
import { can, consented, mayPark, type Principal } from '../kit/auth/principal.ts';
import type { Call, Services } from '../kit/connector.ts';
import type { EventFault } from '../kit/events/event-check.ts';
import { quarantined, reportInvalid } from '../kit/events/event-quarantine.ts';
import { EVENT_KINDS } from '../kit/events/event-types.ts';
import { loader } from '../kit/loader.ts';
import { SourceReports } from '../kit/monitoring/source-status.ts';
import type { PageRequest } from '../kit/pagination.ts';
import type { Facts } from '../kit/provenance.ts';
import * as mapping from './mapping.ts';
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
  Source,
  ToldFact,
} from './model.ts';

export type HubRequest = ReturnType<HubSource['request']>;

/** What may be asked of a list of companies. */
export interface CompanyQuery {
  readonly park?: readonly string[];
  readonly source?: readonly string[];
  readonly uscc?: readonly string[];
  readonly nameEq?: readonly string[];
  readonly nameContains?: string;
}

/** When: from, inclusive, to `to`, exclusive. */
export interface Span {
  readonly from?: Date;
  readonly to?: Date;
}

/** An event of the log, and what is wrong with it. */
export interface Unreadable {
  readonly row: LoggedEvent;
  readonly fault: EventFault;
}

export class HubSource {
  readonly #services: Services;
  readonly #reports: SourceReports;
  /** Events that were noted as unreadable, by position, with the reason. */
  readonly #known = new LRUCache<string, string>({ max: 10_000 });

  constructor(services: Services) {
    this.#services = services;
    this.#reports = new SourceReports(services.clock);
  }

  /** Answers when the database answers. */
  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check' }, () =>
      this.#services.read((tx) => tx.query('SELECT 1')),
    );
  }

  /** Loaders for one request. */
  request(call: Call) {
    const { store, read, clock } = this.#services;
    const { principal } = call;
    const seen = (query: CompanyQuery): CompanyQuery => companiesOf(principal, query);
    const told = (filter: mapping.EventFilter | null | undefined) => eventsOf(principal, mapping.eventQuery(filter));
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
    const conflicts = loader<Conflict[]>(async (codes) =>
      mapped(await read((tx) => hub.factsOf(tx, codes)), (told, uscc) =>
        mapping.conflicts(told.filter((one) => mayKnow(principal, uscc, one))),
      ),
    );
    const cases = loader<Case>((ids) => read((tx) => hub.casesByIds(tx, ids)));
    let sources: Promise<Source[]> | undefined;
    const pageOf = (page: PageRequest) => ({ forward: page.forward, limit: page.size + 1, place: page.place });
    return {
      call,
      park: (id: string) => parks.load(id),
      parks: (): Promise<Park[]> => read((tx) => hub.allParks(tx)),
      building: (id: string) => buildings.load(id),
      buildingsOf: async (park: string): Promise<Building[]> => (await buildingsOf.load(park)) ?? [],
      company: (uscc: string) => companies.load(uscc),
      /** Those under which the installations of the caller's parks know it. */
      identifiers: async (uscc: string): Promise<Identifier[]> =>
        ((await identifiers.load(uscc)) ?? []).filter(({ park }) => mayPark(principal, park)),
      /** Facts on which installations disagree. */
      conflicts: async (uscc: string): Promise<Conflict[]> => (await conflicts.load(uscc)) ?? [],
      companies: (query: CompanyQuery, page: PageRequest): Promise<Company[]> =>
        read((tx) => hub.companyPage(tx, seen(query), pageOf(page))),
      companyCount: (query: CompanyQuery) => read((tx) => hub.companyCount(tx, seen(query))),
      /** All sources: they are few, and every question about them is answered from one reading. */
      sources: (): Promise<Source[]> => {
        sources ??= read((tx) => hub.allSources(tx)).then((rows) => rows.map((row) => this.#reports.shown(row)));
        return sources;
      },
      case: (id: string) => cases.load(id),
      /** Cases with the authorities of the caller's parks. */
      cases: (uscc: string, page: PageRequest): Promise<Case[]> =>
        read((tx) => hub.casePage(tx, uscc, principal.parks, pageOf(page))),
      caseCount: (uscc: string) => read((tx) => hub.caseCount(tx, uscc, principal.parks)),
      events: (filter: mapping.EventFilter | null | undefined, page: PageRequest): Promise<LoggedEvent[]> =>
        read((tx) =>
          hub.eventPage(tx, told(filter), {
            forward: page.forward,
            limit: page.size + 1,
            place: page.place === null ? null : String(page.place[0]),
          }),
        ),
      eventCount: (filter: mapping.EventFilter | null | undefined) => read((tx) => hub.eventCount(tx, told(filter))),
      /** Events with after < position <= upTo, oldest first. */
      eventRange: (
        filter: mapping.EventFilter | null | undefined,
        range: { after: string; upTo: string; limit: number },
      ): Promise<LoggedEvent[]> => read((tx) => hub.eventRange(tx, told(filter), range)),
      /** Keeps word of events that cannot be shown; the first to find one says so. */
      quarantine: (events: readonly Unreadable[]): void => this.#quarantine(events),
      logStart: () => read((tx) => hub.logStart(tx)),
      headPosition: () => read((tx) => hub.headPosition(tx)),
      /** Since when events behind this position may be missing: the begin of their day. */
      dayBehind: (position: string) => read((tx) => hub.dayBehind(tx, position)),
      /** Who has read the company's data, oldest first. */
      accesses: async (uscc: string, span: Span, page: PageRequest): Promise<Access[]> =>
        (await read((tx) => hub.accessPage(tx, uscc, span, pageOf(page)))).map(mapping.access),
      accessCount: (uscc: string, span: Span) => read((tx) => hub.accessCount(tx, uscc, span)),
      consents: (uscc: string): Promise<Consent[]> => read((tx) => hub.consentsOf(tx, uscc)),
      consent: (id: string): Promise<Consent | null> => read((tx) => hub.consentById(tx, id)),
      grantConsent: (
        clientMutationId: string,
        asked: { company: string; client: string; purpose: string; expiresAt: Date | null },
      ): Promise<Consent> =>
        this.#services.once(call, { mutation: 'grantConsent', clientMutationId, payload: asked }, () =>
          this.#services.transaction((tx) =>
            hub.grantConsent(tx, { ...asked, by: call.principal.subject, at: clock.now() }),
          ),
        ),
      revokeConsent: (clientMutationId: string, id: string): Promise<Consent | null> =>
        this.#services.once(call, { mutation: 'revokeConsent', clientMutationId, payload: id }, () =>
          this.#services.transaction((tx) => hub.revokeConsent(tx, id, call.principal.subject, clock.now())),
        ),
    };
  }

  /** In the background: nobody who reads the log waits for it. What cannot be written is tried again when it is read again. */
  #quarantine(events: readonly Unreadable[]): void {
    const { store, transaction, log } = this.#services;
    const fresh = events.filter(({ row, fault }) => this.#known.get(row.position) !== fault.problem);
    if (fresh.length === 0) return;
    for (const { row, fault } of fresh) this.#known.set(row.position, fault.problem);
    const rows = fresh.map(({ row, fault }) => quarantined(row, fault));
    transaction((tx) => store.hub.quarantineEvents(tx, rows)).then(
      (written) => reportInvalid(log, written),
      (error: unknown) => {
        for (const { row } of fresh) this.#known.delete(row.position);
        log.warn('Events of the log that do not fit their type could not be noted.', { error });
      },
    );
  }

  /** Facts of the hub's own records. */
  facts(recordedAt: Date | null = null): Facts {
    return {
      source: this.#services.installation.id,
      system: 'hub',
      fetchedAt: this.#services.clock.now(),
      recordedAt,
      stale: false,
    };
  }
}

/** The caller's rows, pushed into the question: companies that it may see, in parks that it may see. */
function companiesOf({ companies, parks }: Principal, query: CompanyQuery): CompanyQuery {
  return {
    ...query,
    ...(companies === null ? {} : { uscc: both(companies, query.uscc) }),
    ...(parks === null ? {} : { park: both(parks, query.park) }),
  };
}

/** The right without which events of a kind are not told. */
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

/** The right that a caller needs to learn whose passage or drive an event was, and to find it by company or vehicle. */
const MOVEMENT_RIGHTS: Readonly<Record<string, string>> = {
  ACCESS_GRANTED: 'access:persons',
  ACCESS_DENIED: 'access:persons',
  VEHICLE_ENTERED: 'parking:movements',
  VEHICLE_EXITED: 'parking:movements',
};

const holds = (principal: Principal, right: string | undefined): boolean =>
  right === undefined || can(principal, right) || principal.roles.includes('hub');

/** Whether the caller may identify whose passage or drive an event of that kind was. */
export const mayIdentify = (principal: Principal, kind: string): boolean => holds(principal, MOVEMENT_RIGHTS[kind]);

/** The caller's rows of the event log, and the kinds that it may read; the filter's own tests stand. */
function eventsOf(principal: Principal, query: Record<string, string[] | Date>): Record<string, string[] | Date> {
  const { companies, parks } = principal;
  const list = (name: string) => query[name] as string[] | undefined;
  const identifies = list('company') !== undefined || list('vehicle') !== undefined;
  const kinds = EVENT_KINDS.filter(
    (kind) => holds(principal, KIND_RIGHTS[kind]) && (!identifies || mayIdentify(principal, kind)),
  );
  const few = kinds.length < EVENT_KINDS.length;
  return {
    ...query,
    ...(few ? { kind: both(kinds, list('kind')) } : {}),
    ...(companies === null ? {} : { company: both(companies, list('company')) }),
    ...(parks === null ? {} : { park: both(parks, list('park')) }),
  };
}

const both = (seen: readonly string[], asked: readonly string[] | undefined): string[] =>
  asked === undefined ? [...seen] : asked.filter((one) => seen.includes(one));

/** What installations of the caller's parks say. Names are public; what else the tax office writes of a company is for those who may read its tax account. */
const mayKnow = (principal: Principal, uscc: string, { park, connector, field }: ToldFact): boolean =>
  (principal.parks === null || (park !== null && mayPark(principal, park))) &&
  (connector !== 'tax' || field === 'name' || (can(principal, 'tax:read') && consented(principal, 'tax', uscc)));

const mapped = <A, B>(rows: ReadonlyMap<string, A>, map: (row: A, key: string) => B): Map<string, B> =>
  new Map([...rows].map(([key, row]) => [key, map(row, key)]));

// The graph speaks with the source only; what it needs of the mapping is handed on here.
export { type EventFilter, eventShape, filterScope, keys, loggedFault } from './mapping.ts';
