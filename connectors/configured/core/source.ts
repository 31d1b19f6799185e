/** One installation: asks by key in batches through the guard, follows a list, and links rows to the park's own entities. */
import { createHash } from 'node:crypto';
import { systemClock } from '../../kit/clock.ts';
import type { Call, Drift, Job, Known, NewEvent, Services } from '../../kit/connector.ts';
import { parseUscc } from '../../kit/identifiers.ts';
import { loader } from '../../kit/loader.ts';
import type { Ask, Entity, Join } from './declaration.ts';
import { type Row, rawRows, row, type TypedEntity } from './mapping.ts';
import { operationOf, type Reader } from './source-description.ts';

/** All rows of a list are one key. */
const ALL = '*';
type Rows = readonly Row[];

export class MeshSource {
  readonly #reader: Reader;
  readonly #services: Services;
  readonly #entities: readonly TypedEntity[];
  /** By entity, the version of the list that was compared last. */
  readonly #compared = new Map<string, string>();

  constructor(reader: Reader, services: Services, entities: readonly TypedEntity[]) {
    this.#reader = reader;
    this.#services = services;
    this.#entities = entities;
  }

  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check' }, (signal) => this.#reader.check(signal));
  }

  /** What the source offers otherwise than it was declared. */
  async drift(call: Call): Promise<readonly Drift[]> {
    const known = await this.#services.guard.read(
      call,
      { operation: 'check', key: 'drift' },
      async (signal) => (await this.#reader.drift?.(signal)) ?? null,
    );
    return (await known.value?.()) ?? [];
  }

  /** What one request needs: keys asked for in one tick are one call, where the operation takes several. */
  request(call: Call) {
    const made = new Map<Ask, ReturnType<MeshSource['loaderOf']>>();
    const of = (entity: TypedEntity, ask: Ask) => {
      let one = made.get(ask);
      if (!one) {
        one = this.loaderOf(call, entity, ask);
        made.set(ask, one);
      }
      return one;
    };
    return {
      /** By the row's own id; null when the system has none. */
      byKey: async (entity: TypedEntity, id: string): Promise<Known<Row | null> | null> => {
        if (!entity.byKey) return null;
        const found = await of(entity, entity.byKey).load(id);
        return found && { value: found.value?.find((one) => one.id === id) ?? null, facts: found.facts };
      },
      /** Rows that belong to one of the park's own entities; null when this system cannot know it. */
      joined: async (entity: TypedEntity, join: Join, id: string): Promise<Known<Rows> | null> => {
        const keys = this.#keysOf(join, id);
        if (keys.length === 0) return null;
        const whole = join.ask.argument === null;
        const answers = await of(entity, join.ask).loadMany(whole ? [ALL] : keys);
        const known = answers.filter((one) => one !== null);
        const first = known[0];
        if (!first) return null;
        const rows = known.flatMap((one) => one.value ?? []);
        const own = whole && join.ask.match !== null ? rows.filter((one) => keys.includes(one.asked ?? '')) : rows;
        return { value: own, facts: first.facts };
      },
      /** The park's entity that a row's value names, as its key; null when it names none. */
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

  /** What the source calls the entity of the park. */
  #keysOf(join: Join, id: string): readonly string[] {
    if (join.type === 'Building') return this.#services.buildingCodes(id);
    if (join.type === 'Park') return id === this.#services.installation.park ? [id] : [];
    return [id];
  }

  loaderOf(call: Call, entity: TypedEntity, ask: Ask) {
    const most = ask.argument === null || ask.match === null ? 1 : this.#takesMany(ask) ? ask.most : 1;
    return loader<Known<Rows | null>>(
      (keys) =>
        this.#services.guard.readMany(
          call,
          { operation: ask.operation, key: askKey(ask), type: entity.name, about: null },
          keys,
          (wanted, signal) => this.#ask(entity, ask, wanted, signal),
          newest,
        ),
      { maxBatch: most },
    );
  }

  #takesMany(ask: Ask): boolean {
    const argument = operationOf(this.#reader, ask.operation)?.arguments.find((one) => one.name === ask.argument);
    return ask.separator !== null || argument?.list === true;
  }

  async #ask(entity: TypedEntity, ask: Ask, keys: readonly string[], signal: AbortSignal): Promise<Map<string, Rows>> {
    const value = ask.separator !== null ? keys.join(ask.separator) : this.#takesMany(ask) ? keys : keys[0];
    const given = ask.argument === null ? ask.given : { ...ask.given, [ask.argument]: value };
    const answer = await this.#reader.ask(
      { operation: ask.operation, given, absent: keys.length === 1 && ask.argument !== null },
      signal,
    );
    const found = new Map<string, Row[]>(keys.map((key) => [key, []]));
    for (const { raw, key, where } of rawRows(answer, ask)) {
      const list = found.get(ask.argument === null ? ALL : (key ?? keys[0] ?? ALL));
      list?.push({ ...row(entity, raw, where), asked: key });
    }
    return found;
  }

  /** Polls of the lists that entities declare: what is new, changed or gone becomes an event. */
  jobs(): Job[] {
    return this.#entities.flatMap((entity) => {
      const { poll } = entity;
      return poll
        ? [{ name: `poll ${entity.name}`, every: poll.every, run: (call: Call) => this.#poll(entity, poll.ask, call) }]
        : [];
    });
  }

  async #poll(entity: TypedEntity, ask: Ask, call: Call): Promise<void> {
    const { guard, clock, globalId } = this.#services;
    const before = this.#reader.version?.(ask.operation) ?? null;
    const known = await guard.read(
      { ...call, deadline: systemClock.monotonic() + 30_000 },
      { operation: `poll ${ask.operation}` },
      async (signal) => (await this.#ask(entity, ask, [ALL], signal)).get(ALL),
    );
    const now = clock.now();
    const rows = known.value ?? [];
    // A list that tells its version and has not changed since the last look needs no comparing.
    const version = this.#reader.version?.(ask.operation) ?? null;
    if (version !== null && this.#compared.get(entity.name) === version) return;
    await this.#services.transaction(async (tx) => {
      const name = `poll ${entity.name}`;
      const before = await this.#services.state.get<Record<string, string>>(tx, name);
      const after: Record<string, string> = {};
      const events: NewEvent[] = [];
      const tell = (one: { id: string; row: Row | null; mark: string }, change: 'NEW' | 'CHANGED' | 'GONE') =>
        events.push({
          foreignId: `${entity.name} ${one.id} ${change} ${one.mark}`,
          kind: 'RECORD_CHANGED',
          time: one.row?.recordedAt ?? now,
          ...this.#about(entity, one.row),
          data: { change, type: entity.name, record: globalId(one.id), ...this.#building(entity, one.row) },
        });
      for (const one of rows) {
        const mark = markOf(one);
        after[one.id] = mark;
        const old = before?.[one.id];
        // The first reading tells nothing: all of it was there before we looked.
        if (before !== null && old !== mark)
          tell({ id: one.id, row: one, mark }, old === undefined ? 'NEW' : 'CHANGED');
      }
      for (const [id, mark] of Object.entries(before ?? {})) {
        if (!(id in after)) tell({ id, row: null, mark: `${mark} ${now.toISOString()}` }, 'GONE');
      }
      await this.#services.state.set(tx, name, after);
      await this.#services.emit(tx, events);
    });
    if (version !== null && version === before) this.#compared.set(entity.name, version);
  }

  #about(entity: Entity, row: Row | null): { company?: string } {
    const field = entity.fields.find((one) => one.link === 'Company.uscc');
    const uscc = field && row ? parseUscc(String(row.values[field.name] ?? '')) : null;
    return uscc === null ? {} : { company: uscc };
  }

  #building(entity: Entity, row: Row | null): { building?: string } {
    const field = entity.fields.find((one) => one.link === 'Building.id');
    const id = field && row ? this.#services.building(String(row.values[field.name] ?? '')) : null;
    return id === null ? {} : { building: id };
  }

  close(): Promise<void> {
    return this.#reader.close();
  }
}

export type MeshRequest = ReturnType<MeshSource['request']>;

/** The guard shares equal reads: the same operation with other fixed arguments is another read. */
const askKey = (ask: Ask): string => JSON.stringify([ask.argument, ask.match, ask.rows, ask.given]);

const newest = (rows: Rows | null): Date | null =>
  (rows ?? []).reduce<Date | null>(
    (a, one) => (one.recordedAt && (!a || one.recordedAt > a) ? one.recordedAt : a),
    null,
  );

const markOf = (row: Row): string =>
  createHash('sha256').update(JSON.stringify(row.values)).digest('base64url').slice(0, 12);
