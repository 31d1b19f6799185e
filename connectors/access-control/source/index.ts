/** Reads the door system's database for one request: one guarded query per batch of keys. The log is polled in log-poller.ts. */
import type { Call } from '../../kit/call.ts';
import { loader, memoizeByArguments } from '../../kit/loader.ts';
import { type Sourced, sourced } from '../../kit/provenance.ts';
import {
  instantToLocal,
  integer,
  mapAttempt,
  mapBadge,
  mapCondition,
  mapDoor,
  mapOccupant,
  type Row,
} from '../mapping.ts';
import type { AccessAttempt, Badge, Door, DoorCondition, Occupant, PageWindow, TimeSpan } from '../model.ts';
import type { AccessInstallation } from './installation.ts';
import * as statements from './statements.ts';

type Doors = readonly (Door & { readonly number: number; readonly device: number })[];

/** Milliseconds. Older reports of a door's state are ignored. */
const MAX_STATE_AGE = 86_400_000;

/** One installation in one request, with its data loaders. Every value includes its provenance facts. */
export class AccessSource {
  readonly #installation: AccessInstallation;
  readonly #call: Call;

  constructor(installation: AccessInstallation, call: Call) {
    this.#installation = installation;
    this.#call = call;
  }

  /**
   * Runs one guarded SELECT; identical concurrent ones share a call. Rows are mapped within the guard, so that malformed rows count
   * against the source. `cache`: type and key of the cached reading; the key defaults to the statement with its values.
   */
  async #read<T>(
    operation: string,
    { sql, values }: statements.Statement,
    map: (row: Row) => T,
    cache: { readonly type?: string; readonly key?: string } = {},
  ): Promise<Sourced<readonly T[]>> {
    const { services, database } = this.#installation;
    const key = cache.key ?? `${sql}\0${JSON.stringify(values)}`;
    const request = { operation, key, ...(cache.type === undefined ? {} : { type: cache.type }) };
    return services.guard.read(this.#call, request, async (signal) =>
      (await database.select(sql, values, signal)).map(map),
    );
  }

  /** Number in a local id of that kind, such as `door-7`; null for anything else. */
  static localNumber(kind: 'door' | 'badge', local: string): number | null {
    const match = /^(door|badge)-(\d{1,15})$/.exec(local);
    return match?.[1] === kind ? Number(match[2]) : null;
  }

  /** Time `milliseconds` ago, rounded down to the minute, so that identical queries within a minute share a call. */
  #timeAgo(milliseconds: number): Date {
    return new Date(Math.floor((this.#installation.services.clock.now().getTime() - milliseconds) / 60_000) * 60_000);
  }

  readonly #mapBadge = (row: Row): Badge => mapBadge(row, this.#installation.context);

  #doors: Promise<Sourced<Doors>> | undefined;
  /** All doors. They are few, and the building of an area is known only to the park's configuration. */
  #loadDoors(): Promise<Sourced<Doors>> {
    this.#doors ??= this.#read(
      'doors',
      statements.doors,
      (row) => ({
        ...mapDoor(row, this.#installation.context),
        device: integer(row, 'device_id'),
      }),
      { type: 'Door' },
    );
    return this.#doors;
  }

  /** A door by its number. */
  readonly door = loader<Sourced<Door>>(async (numbers) => {
    const { value, facts } = await this.#loadDoors();
    const wanted = new Set(numbers);
    return new Map(
      value
        .filter((door) => wanted.has(String(door.number)))
        .map((door) => [String(door.number), sourced(door, facts)]),
    );
  });

  /** Doors by building; null for buildings without doors in this system. */
  readonly doorsByBuilding = loader<Sourced<readonly Door[]>>(async (buildings) => {
    const { value, facts } = await this.#loadDoors();
    const found = new Map<string, Sourced<Door[]>>();
    for (const door of value) {
      if (door.building === null || !buildings.includes(door.building)) continue;
      const doors = found.get(door.building);
      if (doors) doors.value.push(door);
      else found.set(door.building, sourced([door], facts));
    }
    return found;
  });

  /** Physical state by door number, from the log of the last day; UNKNOWN when it reports none. */
  readonly doorCondition = loader<Sourced<DoorCondition>>(async (numbers) => {
    const statement = statements.doorConditions(
      numbers.map(Number),
      instantToLocal(this.#timeAgo(MAX_STATE_AGE), this.#installation.settings.zone),
    );
    const { value, facts } = await this.#read(
      'door states',
      statement,
      (row) => ({
        door: String(integer(row, 'door')),
        condition: mapCondition(row),
      }),
      { type: 'DoorState', key: numbers.join() },
    );
    const byDoor = new Map(value.map(({ door, condition }) => [door, condition]));
    return new Map(numbers.map((number) => [number, sourced(byDoor.get(number) ?? ('UNKNOWN' as const), facts)]));
  });

  /** A badge by its number. */
  readonly badge = loader<Sourced<Badge>>(async (numbers) => {
    const { value, facts } = await this.#read('badges', statements.badgesById(numbers.map(Number)), this.#mapBadge, {
      type: 'Badge',
    });
    return new Map(value.map((badge) => [String(badge.order), sourced(badge, facts)]));
  });

  /** Last access attempt by badge number. */
  readonly lastAttempt = loader<Sourced<AccessAttempt>>(
    async (numbers) => {
      const statement = statements.lastAttempts(numbers.map(Number));
      const { value, facts } = await this.#read(
        'last passages',
        statement,
        (row) => ({
          wanted: String(integer(row, 'wanted')),
          passage: mapAttempt(row, this.#installation.context),
        }),
        { type: 'AccessEvent' },
      );
      return new Map(value.map(({ wanted, passage }) => [wanted, sourced(passage, facts)]));
    },
    { maxBatch: 100 },
  );

  /** One page of badges by company, in reading direction; empty for unknown companies. */
  readonly badgesByCompany = memoizeByArguments((page: PageWindow & { after: number | null; active: boolean | null }) =>
    loader<Sourced<readonly Badge[]>>(async (companies) => {
      const statement = statements.badgesByCompany(companies, page);
      const { value, facts } = await this.#read('badges of companies', statement, this.#mapBadge, { type: 'Badge' });
      const found = new Map<string, Sourced<Badge[]>>(companies.map((company) => [company, sourced([], facts)]));
      for (const badge of value) {
        if (badge.company !== null) found.get(badge.company)?.value.push(badge);
      }
      return found;
    }),
  );

  /** Number of badges by company; `active` null: all. */
  readonly badgeCountByCompany = memoizeByArguments((active: boolean | null) =>
    loader<number>(async (companies) => {
      const statement = statements.badgeCounts(companies, active);
      const { value } = await this.#read(
        'count badges',
        statement,
        (row) => [String(row['uscc']), integer(row, 'n')] as const,
        { type: 'Badge' },
      );
      const found = new Map(value);
      return new Map(companies.map((company) => [company, found.get(company) ?? 0]));
    }),
  );

  /** One page of access attempts by door number, in reading direction. */
  readonly attemptsByDoor = memoizeByArguments(
    (page: PageWindow & TimeSpan & { after: readonly [string, number] | null }) =>
      loader<Sourced<readonly AccessAttempt[]>>(
        async (numbers) => {
          const found = new Map<string, Sourced<AccessAttempt[]>>();
          for (const [zone, group] of await this.#groupByZone(numbers)) {
            const statement = statements.attemptsByDoor(group.map(Number), { ...page, ...toLocalRange(page, zone) });
            const { value, facts } = await this.#read(
              'passages',
              statement,
              (row) => ({
                door: String(integer(row, 'event_point_id')),
                passage: mapAttempt(row, this.#installation.context),
              }),
              { type: 'AccessEvent' },
            );
            for (const number of group) found.set(number, sourced([], facts));
            for (const { door, passage } of value) found.get(door)?.value.push(passage);
          }
          for (const { value } of found.values())
            value.sort((a, b) => comparePositions(a.position, b.position) * (page.forward ? 1 : -1));
          return found;
        },
        { maxBatch: 100 },
      ),
  );

  /** Number of access attempts by door number. */
  readonly attemptCountByDoor = memoizeByArguments((span: TimeSpan) =>
    loader<number>(async (numbers) => {
      const found = new Map(numbers.map((number) => [number, 0]));
      for (const [zone, group] of await this.#groupByZone(numbers)) {
        const statement = statements.attemptCounts(group.map(Number), toLocalRange(span, zone));
        const { value } = await this.#read(
          'count passages',
          statement,
          (row) => [String(integer(row, 'door')), integer(row, 'n')] as const,
          { type: 'AccessEvent' },
        );
        for (const [door, count] of value) found.set(door, count);
      }
      return found;
    }),
  );

  /** People inside by building; null for buildings without doors in this system. */
  readonly occupantsByBuilding = loader<Sourced<readonly Occupant[]>>(async (buildings) => {
    const [doors, seen] = await Promise.all([this.#loadDoors(), this.allOccupants()]);
    const found = new Map<string, Sourced<Occupant[]>>();
    for (const { building } of doors.value) {
      if (building !== null && buildings.includes(building)) found.set(building, sourced([], seen.facts));
    }
    for (const occupant of seen.value)
      if (occupant.building !== null) found.get(occupant.building)?.value.push(occupant);
    return found;
  });

  #occupants: Promise<Sourced<readonly Occupant[]>> | undefined;
  /** People inside any building. */
  allOccupants(): Promise<Sourced<readonly Occupant[]>> {
    this.#occupants ??= this.#loadOccupants(null);
    return this.#occupants;
  }

  /** People inside any building, by company. */
  readonly occupantsByCompany = loader<Sourced<readonly Occupant[]>>(async (companies) => {
    const seen = await this.#loadOccupants(companies);
    const found = new Map<string, Sourced<Occupant[]>>(companies.map((company) => [company, sourced([], seen.facts)]));
    for (const occupant of seen.value) {
      const { company } = occupant.person;
      if (company !== null) found.get(company)?.value.push(occupant);
    }
    return found;
  });

  /** People whose last granted swipe was in, not longer ago than the setting `presence`. */
  async #loadOccupants(companies: readonly string[] | null): Promise<Sourced<readonly Occupant[]>> {
    const { settings, context } = this.#installation;
    const start = this.#timeAgo(settings.presence);
    const zones = [settings.zone, ...Object.values(settings.zones)];
    const since = zones.map((zone) => instantToLocal(start, zone)).sort()[0] as string;
    const { value, facts } = await this.#read(
      companies === null ? 'presence' : 'presence of companies',
      statements.occupants(since, companies),
      (row) => mapOccupant(row, context),
      // The start time in the statement changes every minute; the cache key must not.
      { type: 'Presence', key: companies === null ? '' : [...companies].sort().join() },
    );
    return sourced(
      value.filter(({ time }) => time >= start),
      facts,
    );
  }

  /** Groups door numbers by the time zone of their controllers; a time range differs in local time. */
  async #groupByZone(numbers: readonly string[]): Promise<Map<string, string[]>> {
    const { settings, context } = this.#installation;
    if (Object.keys(settings.zones).length === 0) return new Map([[settings.zone, [...numbers]]]);
    const { value } = await this.#loadDoors();
    const device = new Map(value.map((door) => [String(door.number), door.device]));
    const groups = new Map<string, string[]>();
    for (const number of numbers) {
      const zone = context.zone(device.get(number) ?? 0);
      groups.set(zone, [...(groups.get(zone) ?? []), number]);
    }
    return groups;
  }
}

const toLocalRange = (span: TimeSpan, zone: string): statements.LocalTimeRange => ({
  from: span.from === null ? null : instantToLocal(new Date(span.from), zone),
  to: span.to === null ? null : instantToLocal(new Date(span.to), zone),
});

const comparePositions = (a: readonly [string, number], b: readonly [string, number]): number =>
  a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] - b[1];
