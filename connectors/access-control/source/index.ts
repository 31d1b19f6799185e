/** The door system as the hub reads it: live questions in batches, and the log followed by a poll. */
import type { Call, Services } from '../../kit/connector.ts';
import { byArguments, loader } from '../../kit/loader.ts';
import type { VendorDatabase } from '../../kit/protocols/sql.ts';
import { type Known, withFacts } from '../../kit/provenance.ts';
import {
  type Context,
  localOf,
  mapBadge,
  mapCondition,
  mapDoor,
  mapPassage,
  mapSighting,
  type Row,
  whole,
} from '../mapping.ts';
import type { Badge, Door, DoorCondition, PageAsk, Passage, Sighting, TimeSpan } from '../model.ts';
import type { AccessSettings } from '../settings.ts';
import * as ask from './statements.ts';

type Doors = readonly (Door & { readonly number: number; readonly device: number })[];

/** What the jobs and the requests of one installation share. */
export interface Installation {
  readonly settings: AccessSettings;
  readonly services: Services;
  readonly database: VendorDatabase;
  readonly context: Context;
}

/** Lends the mapping what it needs of this installation. */
export function contextOf(settings: AccessSettings, services: Services): Context {
  return {
    globalId: services.globalId,
    personId: (pin) => services.hash('person', `${services.installation.id}\0${pin}`),
    building: services.building,
    zone: (device) => settings.zones[String(device)] ?? settings.zone,
  };
}

/** How far back the state of a door is looked for: an older report says nothing of now. */
const STATE_AGE = 86_400_000;

/** What resolvers get of one installation for one request. Every reading carries its facts. */
export class AccessSource {
  readonly #at: Installation;
  readonly #call: Call;
  constructor(at: Installation, call: Call) {
    this.#at = at;
    this.#call = call;
  }

  /** One guarded SELECT, shared by equal ones under way. Rows are mapped within the guard: nonsense is the source's fault. */
  async #read<T>(
    operation: string,
    { sql, values }: ask.Statement,
    map: (row: Row) => T,
    keep: { readonly type?: string; readonly key?: string } = {},
  ): Promise<Known<readonly T[]>> {
    const { services, database } = this.#at;
    const key = keep.key ?? `${sql}\0${JSON.stringify(values)}`;
    const request = { operation, key, ...(keep.type === undefined ? {} : { type: keep.type }) };
    return services.guard.read(this.#call, request, async (signal) =>
      (await database.select(sql, values, signal)).map(map),
    );
  }

  /** Local number of a global id of that kind, such as `door-7`; null for anything else. */
  static number(kind: 'door' | 'badge', local: string): number | null {
    const found = /^(door|badge)-(\d{1,15})$/.exec(local);
    return found?.[1] === kind ? Number(found[2]) : null;
  }

  /** So long ago, by the whole minute: equal questions of one minute are one question. */
  #ago(milliseconds: number): Date {
    return new Date(Math.floor((this.#at.services.clock.now().getTime() - milliseconds) / 60_000) * 60_000);
  }

  readonly #badge = (row: Row): Badge => mapBadge(row, this.#at.context);

  #doors: Promise<Known<Doors>> | undefined;
  /** All doors; they are few, and the park's own table says which building an area is. */
  #allDoors(): Promise<Known<Doors>> {
    this.#doors ??= this.#read(
      'doors',
      ask.doors,
      (row) => ({
        ...mapDoor(row, this.#at.context),
        device: whole(row, 'device_id'),
      }),
      { type: 'Door' },
    );
    return this.#doors;
  }

  /** A door by its number. */
  readonly door = loader<Known<Door>>(async (numbers) => {
    const { value, facts } = await this.#allDoors();
    const wanted = new Set(numbers);
    return new Map(
      value
        .filter((door) => wanted.has(String(door.number)))
        .map((door) => [String(door.number), withFacts(door, facts)]),
    );
  });

  /** Doors by building; null for buildings that this system does not know. */
  readonly doorsOf = loader<Known<readonly Door[]>>(async (buildings) => {
    const { value, facts } = await this.#allDoors();
    const found = new Map<string, Known<Door[]>>();
    for (const door of value) {
      if (door.building === null || !buildings.includes(door.building)) continue;
      const known = found.get(door.building);
      if (known) known.value.push(door);
      else found.set(door.building, withFacts([door], facts));
    }
    return found;
  });

  /** Physical state by door number, as far as the log of the last day tells it. */
  readonly condition = loader<Known<DoorCondition>>(async (numbers) => {
    const statement = ask.conditions(numbers.map(Number), localOf(this.#ago(STATE_AGE), this.#at.settings.zone));
    const { value, facts } = await this.#read(
      'door states',
      statement,
      (row) => ({
        door: String(whole(row, 'door')),
        condition: mapCondition(row),
      }),
      { type: 'DoorState', key: numbers.join() },
    );
    const told = new Map(value.map((one) => [one.door, one.condition]));
    return new Map(numbers.map((number) => [number, withFacts(told.get(number) ?? ('UNKNOWN' as const), facts)]));
  });

  /** A badge by its number. */
  readonly badge = loader<Known<Badge>>(async (numbers) => {
    const { value, facts } = await this.#read('badges', ask.badges(numbers.map(Number)), this.#badge, {
      type: 'Badge',
    });
    return new Map(value.map((badge) => [String(badge.order), withFacts(badge, facts)]));
  });

  /** The last try of a badge. */
  readonly lastSeen = loader<Known<Passage>>(
    async (numbers) => {
      const statement = ask.lastPassages(numbers.map(Number));
      const { value, facts } = await this.#read(
        'last passages',
        statement,
        (row) => ({
          wanted: String(whole(row, 'wanted')),
          passage: mapPassage(row, this.#at.context),
        }),
        { type: 'AccessEvent' },
      );
      return new Map(value.map(({ wanted, passage }) => [wanted, withFacts(passage, facts)]));
    },
    { maxBatch: 100 },
  );

  /** One page of badges by company, in reading direction; companies it does not know have an empty one. */
  readonly badgesOf = byArguments((page: PageAsk & { after: number | null; active: boolean | null }) =>
    loader<Known<readonly Badge[]>>(async (companies) => {
      const statement = ask.badgesOf(companies, page);
      const { value, facts } = await this.#read('badges of companies', statement, this.#badge, { type: 'Badge' });
      const found = new Map<string, Known<Badge[]>>(companies.map((company) => [company, withFacts([], facts)]));
      for (const badge of value) {
        if (badge.company !== null) found.get(badge.company)?.value.push(badge);
      }
      return found;
    }),
  );

  readonly badgeCount = byArguments((active: boolean | null) =>
    loader<number>(async (companies) => {
      const statement = ask.badgeCounts(companies, active);
      const { value } = await this.#read(
        'count badges',
        statement,
        (row) => [String(row['uscc']), whole(row, 'n')] as const,
        { type: 'Badge' },
      );
      const found = new Map(value);
      return new Map(companies.map((company) => [company, found.get(company) ?? 0]));
    }),
  );

  /** One page of a door's log, in reading direction, by door number. */
  readonly passagesOf = byArguments((page: PageAsk & TimeSpan & { after: readonly [string, number] | null }) =>
    loader<Known<readonly Passage[]>>(
      async (numbers) => {
        const found = new Map<string, Known<Passage[]>>();
        for (const [zone, group] of await this.#byZone(numbers)) {
          const statement = ask.passagesOf(group.map(Number), { ...page, ...spanIn(page, zone) });
          const { value, facts } = await this.#read(
            'passages',
            statement,
            (row) => ({
              door: String(whole(row, 'event_point_id')),
              passage: mapPassage(row, this.#at.context),
            }),
            { type: 'AccessEvent' },
          );
          for (const number of group) found.set(number, withFacts([], facts));
          for (const { door, passage } of value) found.get(door)?.value.push(passage);
        }
        for (const { value } of found.values())
          value.sort((a, b) => inOrder(a.place, b.place) * (page.forward ? 1 : -1));
        return found;
      },
      { maxBatch: 100 },
    ),
  );

  readonly passageCount = byArguments((span: TimeSpan) =>
    loader<number>(async (numbers) => {
      const found = new Map(numbers.map((number) => [number, 0]));
      for (const [zone, group] of await this.#byZone(numbers)) {
        const statement = ask.passageCounts(group.map(Number), spanIn(span, zone));
        const { value } = await this.#read(
          'count passages',
          statement,
          (row) => [String(whole(row, 'door')), whole(row, 'n')] as const,
          { type: 'AccessEvent' },
        );
        for (const [door, count] of value) found.set(door, count);
      }
      return found;
    }),
  );

  /** Those who are inside, by building; null for buildings that this system does not know. */
  readonly seenIn = loader<Known<readonly Sighting[]>>(async (buildings) => {
    const [known, seen] = await Promise.all([this.#allDoors(), this.everyone()]);
    const found = new Map<string, Known<Sighting[]>>();
    for (const { building } of known.value) {
      if (building !== null && buildings.includes(building)) found.set(building, withFacts([], seen.facts));
    }
    for (const one of seen.value) if (one.building !== null) found.get(one.building)?.value.push(one);
    return found;
  });

  #everyone: Promise<Known<readonly Sighting[]>> | undefined;
  /** All who are inside, whatever the building. */
  everyone(): Promise<Known<readonly Sighting[]>> {
    this.#everyone ??= this.#sightings(null);
    return this.#everyone;
  }

  /** Those of a company who are inside any building, by company. */
  readonly seenOf = loader<Known<readonly Sighting[]>>(async (companies) => {
    const seen = await this.#sightings(companies);
    const found = new Map<string, Known<Sighting[]>>(companies.map((company) => [company, withFacts([], seen.facts)]));
    for (const one of seen.value) {
      if (one.person.company !== null) found.get(one.person.company)?.value.push(one);
    }
    return found;
  });

  /** Those whose last granted swipe, within the time that one counts, was in. */
  async #sightings(companies: readonly string[] | null): Promise<Known<readonly Sighting[]>> {
    const { settings, context } = this.#at;
    const start = this.#ago(settings.presence);
    const zones = [settings.zone, ...Object.values(settings.zones)];
    const since = zones.map((zone) => localOf(start, zone)).sort()[0] as string;
    const { value, facts } = await this.#read(
      companies === null ? 'presence' : 'presence of companies',
      ask.sightings(since, companies),
      (row) => mapSighting(row, context),
      // The statement begins at another minute each time; the question is the same.
      { type: 'Presence', key: companies === null ? '' : [...companies].sort().join() },
    );
    return withFacts(
      value.filter((one) => one.time >= start),
      facts,
    );
  }

  /** Door numbers by the zone of their controllers: a span of time is another local span in each. */
  async #byZone(numbers: readonly string[]): Promise<Map<string, string[]>> {
    const { settings, context } = this.#at;
    if (Object.keys(settings.zones).length === 0) return new Map([[settings.zone, [...numbers]]]);
    const { value } = await this.#allDoors();
    const device = new Map(value.map((door) => [String(door.number), door.device]));
    const groups = new Map<string, string[]>();
    for (const number of numbers) {
      const zone = context.zone(device.get(number) ?? 0);
      groups.set(zone, [...(groups.get(zone) ?? []), number]);
    }
    return groups;
  }
}

const spanIn = (span: TimeSpan, zone: string): ask.LocalSpan => ({
  from: span.from === null ? null : localOf(new Date(span.from), zone),
  to: span.to === null ? null : localOf(new Date(span.to), zone),
});

const inOrder = (a: readonly [string, number], b: readonly [string, number]): number =>
  a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] - b[1];
