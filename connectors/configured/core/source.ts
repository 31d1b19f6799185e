/** One installation: queries by key in batches through the guard, polls lists for events, and links rows to the park's entities. */
import { createHash } from 'node:crypto';
import { parseUscc } from '../../../schema/graph/identifiers.ts';
import type { Call } from '../../kit/call.ts';
import { systemClock } from '../../kit/clock.ts';
import type { Drift, Job, Sourced } from '../../kit/connector.ts';
import { loader } from '../../kit/loader.ts';
import type { NewEvent, Services } from '../../kit/services.ts';
import type { Entity, Join, RowQuery } from './declaration.ts';
import { extractRows, mapRow, type Row, type TypedEntity } from './mapping.ts';
import { findOperation, type Reader } from './source-description.ts';

/** Key under which all rows of a list are loaded. */
const ALL_ROWS = '*';
type Rows = readonly Row[];

export class ConfiguredSource {
  readonly #reader: Reader;
  readonly #services: Services;
  readonly #entities: readonly TypedEntity[];
  /** Version of the list that was compared last, by entity. */
  readonly #comparedVersions = new Map<string, string>();

  constructor(reader: Reader, services: Services, entities: readonly TypedEntity[]) {
    this.#reader = reader;
    this.#services = services;
    this.#entities = entities;
  }

  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check' }, (signal) => this.#reader.check(signal));
  }

  /** Differences between what the source offers and what was declared. */
  async drift(call: Call): Promise<readonly Drift[]> {
    const compare = await this.#services.guard.read(
      call,
      { operation: 'check', key: 'drift' },
      async (signal) => (await this.#reader.drift?.(signal)) ?? null,
    );
    return (await compare.value?.()) ?? [];
  }

  /** What resolvers use in one request. Keys loaded in one tick are one call, if the operation accepts several. */
  request(call: Call) {
    const loaders = new Map<RowQuery, ReturnType<ConfiguredSource['createLoader']>>();
    const loaderOf = (entity: TypedEntity, query: RowQuery) => {
      let loader = loaders.get(query);
      if (!loader) {
        loader = this.createLoader(call, entity, query);
        loaders.set(query, loader);
      }
      return loader;
    };
    return {
      /** The row with that id in its system; null if there is none. */
      byKey: async (entity: TypedEntity, id: string): Promise<Sourced<Row | null> | null> => {
        if (!entity.byKey) return null;
        const found = await loaderOf(entity, entity.byKey).load(id);
        return found && { value: found.value?.find((row) => row.id === id) ?? null, facts: found.facts };
      },
      /** Rows that belong to an entity of the park; null if this installation has no key for it. */
      joined: async (entity: TypedEntity, join: Join, id: string): Promise<Sourced<Rows> | null> => {
        const keys = this.#keysOf(join, id);
        if (keys.length === 0) return null;
        const isFullList = join.ask.argument === null;
        const results = await loaderOf(entity, join.ask).loadMany(isFullList ? [ALL_ROWS] : keys);
        const found = results.filter((result) => result !== null);
        const first = found[0];
        if (!first) return null;
        const rows = found.flatMap(({ value }) => value ?? []);
        const own = isFullList && join.ask.match !== null ? rows.filter((row) => keys.includes(row.asked ?? '')) : rows;
        return { value: own, facts: first.facts };
      },
      /** Key of the park's entity that a row's value refers to; null if it refers to none. */
      linked: (link: 'Building.id' | 'Company.uscc', value: unknown): object | null => {
        if (typeof value !== 'string') return null;
        if (link === 'Company.uscc') {
          const uscc = parseUscc(value);
          return uscc === null ? null : { uscc };
        }
        const id = this.#services.building(value);
        return id === null ? null : { id };
      },
    };
  }

  /** The keys by which the source knows the entity of the park. */
  #keysOf(join: Join, id: string): readonly string[] {
    if (join.type === 'Building') return this.#services.buildingCodes(id);
    if (join.type === 'Park') return id === this.#services.installation.park ? [id] : [];
    return [id];
  }

  createLoader(call: Call, entity: TypedEntity, query: RowQuery) {
    const maxKeys = query.argument === null || query.match === null ? 1 : this.#acceptsKeyList(query) ? query.most : 1;
    return loader<Sourced<Rows | null>>(
      (keys) =>
        this.#services.guard.readMany(
          call,
          { operation: query.operation, key: queryCacheKey(query), type: entity.name, about: null },
          keys,
          (missing, signal) => this.#queryRows(entity, query, missing, signal),
          newestRecordedAt,
        ),
      { maxBatch: maxKeys },
    );
  }

  #acceptsKeyList(query: RowQuery): boolean {
    const argument = findOperation(this.#reader, query.operation)?.arguments.find(
      ({ name }) => name === query.argument,
    );
    return query.separator !== null || argument?.list === true;
  }

  async #queryRows(
    entity: TypedEntity,
    query: RowQuery,
    keys: readonly string[],
    signal: AbortSignal,
  ): Promise<Map<string, Rows>> {
    const value = query.separator !== null ? keys.join(query.separator) : this.#acceptsKeyList(query) ? keys : keys[0];
    const args = query.argument === null ? query.given : { ...query.given, [query.argument]: value };
    const response = await this.#reader.call(
      { operation: query.operation, args, nullIfNotFound: keys.length === 1 && query.argument !== null },
      signal,
    );
    const found = new Map<string, Row[]>(keys.map((key) => [key, []]));
    for (const { raw, key, where } of extractRows(response, query)) {
      const list = found.get(query.argument === null ? ALL_ROWS : (key ?? keys[0] ?? ALL_ROWS));
      list?.push({ ...mapRow(entity, raw, where), asked: key });
    }
    return found;
  }

  /** One job for each declared `list`: new, changed and removed rows become events. */
  jobs(): Job[] {
    return this.#entities.flatMap((entity) => {
      const { poll } = entity;
      return poll
        ? [{ name: `poll ${entity.name}`, every: poll.every, run: (call: Call) => this.#poll(entity, poll.ask, call) }]
        : [];
    });
  }

  async #poll(entity: TypedEntity, query: RowQuery, call: Call): Promise<void> {
    const { guard, clock, globalId } = this.#services;
    const versionBefore = this.#reader.version?.(query.operation) ?? null;
    const read = await guard.read(
      { ...call, deadline: systemClock.monotonic() + 30_000 },
      { operation: `poll ${query.operation}` },
      async (signal) => (await this.#queryRows(entity, query, [ALL_ROWS], signal)).get(ALL_ROWS),
    );
    const now = clock.now();
    const rows = read.value ?? [];
    // A list with the version that was compared last has not changed.
    const version = this.#reader.version?.(query.operation) ?? null;
    if (version !== null && this.#comparedVersions.get(entity.name) === version) return;
    await this.#services.transaction(async (tx) => {
      const name = `poll ${entity.name}`;
      const before = await this.#services.state.get<Record<string, string>>(tx, name);
      const after: Record<string, string> = {};
      const events: NewEvent[] = [];
      const addEvent = (
        { id, row, mark }: { id: string; row: Row | null; mark: string },
        change: 'NEW' | 'CHANGED' | 'GONE',
      ) =>
        events.push({
          foreignId: `${entity.name} ${id} ${change} ${mark}`,
          kind: 'RECORD_CHANGED',
          time: row?.recordedAt ?? now,
          ...this.#companyOf(entity, row),
          data: { change, type: entity.name, record: globalId(id), ...this.#buildingOf(entity, row) },
        });
      for (const row of rows) {
        const mark = fingerprint(row);
        after[row.id] = mark;
        const old = before?.[row.id];
        // The first poll reports nothing: there is nothing to compare with.
        if (before !== null && old !== mark) addEvent({ id: row.id, row, mark }, old === undefined ? 'NEW' : 'CHANGED');
      }
      for (const [id, mark] of Object.entries(before ?? {})) {
        if (!(id in after)) addEvent({ id, row: null, mark: `${mark} ${now.toISOString()}` }, 'GONE');
      }
      await this.#services.state.set(tx, name, after);
      await this.#services.emit(tx, events);
    });
    if (version !== null && version === versionBefore) this.#comparedVersions.set(entity.name, version);
  }

  #companyOf(entity: Entity, row: Row | null): { company?: string } {
    const field = entity.fields.find(({ link }) => link === 'Company.uscc');
    const uscc = field && row ? parseUscc(String(row.values[field.name] ?? '')) : null;
    return uscc === null ? {} : { company: uscc };
  }

  #buildingOf(entity: Entity, row: Row | null): { building?: string } {
    const field = entity.fields.find(({ link }) => link === 'Building.id');
    const id = field && row ? this.#services.building(String(row.values[field.name] ?? '')) : null;
    return id === null ? {} : { building: id };
  }

  close(): Promise<void> {
    return this.#reader.close();
  }
}

export type ConfiguredRequest = ReturnType<ConfiguredSource['request']>;

/** The guard shares reads with equal keys: the same operation with other fixed arguments must have another key. */
const queryCacheKey = (query: RowQuery): string =>
  JSON.stringify([query.argument, query.match, query.rows, query.given]);

const newestRecordedAt = (rows: Rows | null): Date | null =>
  (rows ?? []).reduce<Date | null>(
    (newest, { recordedAt }) => (recordedAt && (!newest || recordedAt > newest) ? recordedAt : newest),
    null,
  );

const fingerprint = (row: Row): string =>
  createHash('sha256').update(JSON.stringify(row.values)).digest('base64url').slice(0, 12);
