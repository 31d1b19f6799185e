/**
 * Brings one connector to life: opens its installations, checks them, runs their jobs under a lease, writes their
 * state, and answers as a subgraph. gateway/main does it in its own process, connectors/serve behind a port.
 */
import type { GraphQLError } from 'graphql';
import type { Database } from '../../../schema/database/open.ts';
import { saveSource } from '../../../schema/database/sources.ts';
import type {
  AnyConnector,
  Call,
  Clock,
  Drift,
  GraphContext,
  Installations,
  Installed,
  Opened,
  Services,
  Subgraph,
  WebhookAnswer,
  WebhookRequest,
} from '../connector.ts';
import { driftSentence } from '../drift.ts';
import { unavailable } from '../errors.ts';
import { DEFAULT_POLICY, type GuardPolicy, type SourceCallFact } from '../guard.ts';
import { makeGuard } from '../guarding.ts';
import { Health, type HealthSnapshot } from '../health.ts';
import type { Kept } from '../kept.ts';
import type { Log } from '../log.ts';
import { mayPark } from '../principal.ts';
import { sourceAnswers, sourceCalls, sourceStates } from './channels.ts';
import type { InstallationConfig, ParkConfig } from './config.ts';
import { keepingOf, paceOf, policyOf } from './guarded.ts';
import { JobRunner } from './jobs.ts';
import { makeKept } from './keeping.ts';
import { newOwner } from './owner.ts';
import { hubCall, type Keys, makeServices } from './services.ts';
import { type BuiltGraph, buildGraph, executor, shown } from './subgraph.ts';

/** How often things are looked at, in milliseconds. Tests take smaller ones. */
export interface HostPace {
  /** Pause between checks while a source is up. */
  readonly checkUp: number;
  /** Pause between checks while it is not; never above 5 s. */
  readonly checkDown: number;
  /** How long one check may take. */
  readonly checkTime: number;
  /** Pause between writings of a source's row when nothing changed. */
  readonly heartbeat: number;
  /** Pause between two comparisons of what the source offers with what the connector was written against. */
  readonly drift: number;
}

export const DEFAULT_PACE: HostPace = {
  checkUp: 5_000,
  checkDown: 2_000,
  checkTime: 2_000,
  heartbeat: 10_000,
  drift: 3_600_000,
};

export interface HostOptions {
  readonly connector: AnyConnector;
  readonly installations: readonly InstallationConfig[];
  readonly parks: readonly ParkConfig[];
  readonly database: Database;
  readonly keys: Keys;
  readonly log: Log;
  readonly clock?: Clock;
  readonly pace?: Partial<HostPace>;
  readonly policy?: Partial<GuardPolicy>;
  /** Built before, so that many hosts share it. */
  readonly graph?: BuiltGraph;
  /** False: nothing that was read is kept, every question goes to the source (a test that counts or breaks them). */
  readonly keep?: boolean;
  /** False: no jobs and no lease (a test that only asks). */
  readonly jobs?: boolean;
}

/** How one installation is doing, for `/readyz`. */
export interface SourceStatus extends HealthSnapshot {
  readonly id: string;
  readonly system: string;
  readonly protocol: string;
  readonly park: string;
  /** Calls that wait for a place. */
  readonly waiting: number;
}

export const systemClock: Clock = { now: () => new Date() };

interface Room {
  readonly config: InstallationConfig;
  readonly services: Services;
  readonly health: Health;
  readonly control: AbortController;
  readonly kept: Kept;
  readonly pace: HostPace;
  opened: Opened | null;
  runner: JobRunner | null;
  checkTimer: NodeJS.Timeout | undefined;
  checking: Promise<void> | null;
  saving: Promise<void>;
  savedAt: number;
  saved: string;
  announced: boolean;
  comparedAt: number | null;
  /** Whether the next comparison is due before its time. */
  suspected: boolean;
  /** What was found at the last comparison. */
  drift: string | null;
}

/** A source that has drifted, or is suspected, is compared this often at most, in milliseconds. */
const CLOSELY = 10_000;

export class Host {
  readonly name: string;
  readonly subgraph: Subgraph;
  readonly #options: HostOptions;
  readonly #clock: Clock;
  readonly #rooms = new Map<string, Room>();
  #closed = false;

  private constructor(options: HostOptions, graph: BuiltGraph) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.name = options.connector.name;
    const { name, sdl, schema } = graph;
    const run = executor(graph, (request) => this.#context(request.call), options.log);
    const direct = {
      context: (call: Call) => this.#context(call),
      shown: (error: GraphQLError) => shown(error, name, options.log),
    };
    this.subgraph = { name, sdl, schema, direct, execute: run };
  }

  /** With it the gateway signs who asks (see passport.ts). */
  get principalKey(): Buffer {
    return this.#options.keys.principal;
  }

  /** Opens every installation; waits for no source. */
  static async raise(options: HostOptions): Promise<Host> {
    const graph = options.graph ?? (await buildGraph(options.connector.name, options.connector.graph));
    const host = new Host(options, graph);
    await Promise.all(options.installations.map((installation) => host.#open(installation)));
    return host;
  }

  /** How the installations are doing. */
  sources(): SourceStatus[] {
    return [...this.#rooms.values()].map((room) => ({
      id: room.config.id,
      system: room.config.connector,
      protocol: room.config.protocol,
      park: room.config.park,
      waiting: room.services.guard.load().waiting,
      ...room.health.snapshot(),
    }));
  }

  /** The installation's own services, for tests that step a job by hand. */
  services(installation: string): Services | undefined {
    return this.#rooms.get(installation)?.services;
  }

  /** Runs the installation's job of that name once, now, under its lease; for tests. */
  async runJob(installation: string, job: string): Promise<void> {
    const room = this.#rooms.get(installation);
    if (!room?.runner) throw new Error(`${installation} runs no jobs here.`);
    await room.runner.once(job);
  }

  /** Checks the installation now and answers when the outcome is known. */
  async check(installation: string): Promise<HealthSnapshot | null> {
    const room = this.#rooms.get(installation);
    if (!room) return null;
    await this.#check(room);
    return room.health.snapshot();
  }

  /** A signed call of the legacy system; null when there is no such installation here or it takes none. */
  async webhook(installation: string, request: WebhookRequest): Promise<WebhookAnswer | null> {
    const room = this.#rooms.get(installation);
    if (!room?.opened?.webhook) return null;
    return room.opened.webhook(request);
  }

  /** Ends everything; idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(
      [...this.#rooms.values()].map(async (room) => {
        clearTimeout(room.checkTimer);
        room.control.abort();
        await room.runner?.stop();
        await room.checking?.catch(() => undefined);
        await room.opened?.close();
        await room.kept.flush();
        await room.saving;
      }),
    );
  }

  async #open(config: InstallationConfig): Promise<void> {
    const { connector, database, keys, parks } = this.#options;
    const info = { id: config.id, connector: config.connector, park: config.park };
    const log = this.#options.log.child({ source: config.id });
    const control = new AbortController();
    const health = new Health(this.#clock);
    const timeout = (config.settings as { timeout?: unknown } | null)?.timeout;
    const policy = {
      ...DEFAULT_POLICY,
      ...(typeof timeout === 'number' ? { timeout } : {}),
      ...(config.guard ? policyOf(config.guard) : {}),
      ...this.#options.policy,
    };
    const kept = makeKept({
      policies: this.#options.keep === false ? {} : keepingOf(connector.keeps?.(config.settings) ?? {}, config.guard),
      database,
      installation: config.id,
      clock: this.#clock,
      log,
    });
    const guard = makeGuard(
      {
        installation: info,
        clock: this.#clock,
        health,
        tell: (fact) => {
          if (fact.code === 'SOURCE_MALFORMED') room.suspected = true;
          tellCall(fact, log);
        },
        answered: (fact) => sourceAnswers.publish(fact),
        kept,
        signal: control.signal,
      },
      policy,
    );
    const buildings = new Map<string, string>();
    for (const building of parks.find((park) => park.id === config.park)?.buildings ?? []) {
      buildings.set(building.id, building.id);
      for (const code of building.known) buildings.set(code, building.id);
    }
    const services = makeServices({
      info,
      database,
      keys,
      guard,
      log,
      clock: this.#clock,
      signal: control.signal,
      buildings,
      suspect: () => {
        room.suspected = true;
      },
    });
    const room: Room = {
      config,
      services,
      health,
      control,
      kept,
      pace: { ...DEFAULT_PACE, ...(config.guard ? paceOf(config.guard) : {}), ...this.#options.pace },
      opened: null,
      runner: null,
      checkTimer: undefined,
      checking: null,
      saving: Promise.resolve(),
      savedAt: 0,
      saved: '',
      announced: false,
      comparedAt: null,
      suspected: false,
      drift: null,
    };
    this.#rooms.set(config.id, room);
    health.onChange = (from, to, reason) => {
      sourceStates.publish({ source: config.id, system: config.connector, from, to, reason });
      if (to === 'DOWN') log.warn(`The source ${config.id} is down: it ${reason}.`);
      else if (to === 'DEGRADED') log.warn(`The source ${config.id} is degraded: ${reason}.`);
      else log.info(`The source ${config.id} is up.`);
      this.#save(room);
    };
    health.onTrouble = () => this.#soon(room);
    try {
      room.opened = await connector.open(config.settings, services);
    } catch (error) {
      health.checked(error);
      log.error(`The installation ${config.id} cannot be opened; the others go on.`, { error });
      return;
    }
    if (this.#options.jobs !== false && room.opened.jobs && room.opened.jobs.length > 0) {
      room.runner = new JobRunner({
        name: config.id,
        jobs: room.opened.jobs,
        database,
        log,
        owner: newOwner(),
        signal: control.signal,
        outcome: (job, error) => (error === null ? health.succeeded(`job ${job}`) : health.failed(`job ${job}`, error)),
      });
      room.runner.start();
    }
    this.#next(room, 0);
  }

  #next(room: Room, pause: number): void {
    clearTimeout(room.checkTimer);
    if (this.#closed) return;
    room.checkTimer = setTimeout(() => void this.#check(room), pause);
  }

  /** A call has failed: look at once, unless a look is under way or the source is known to be down. */
  #soon(room: Room): void {
    if (room.checking === null && room.health.state !== 'DOWN') this.#next(room, 0);
  }

  #check(room: Room): Promise<void> {
    room.checking ??= this.#look(room).finally(() => {
      room.checking = null;
      this.#next(room, room.health.state === 'UP' ? room.pace.checkUp : room.pace.checkDown);
    });
    return room.checking;
  }

  async #look(room: Room): Promise<void> {
    const call = hubCall(room.pace.checkTime, room.control.signal);
    try {
      await room.opened?.check(call);
      room.services.guard.healed();
      room.health.complained(room.opened?.complaint?.() ?? null);
      room.health.checked(null);
      await this.#compare(room);
    } catch (error) {
      if (this.#closed) return;
      room.health.checked(error);
      if (!room.announced) {
        // The state is DOWN from the start, so no change tells of a source that was never up.
        const reason = room.health.snapshot().reason;
        room.services.log.warn(`The source ${room.config.id} is down: it ${reason}.`, { error });
      }
    }
    room.announced = true;
    this.#save(room);
  }

  /** Whether the source still offers what its connector was written for: at first, then now and again, and on suspicion. */
  async #compare(room: Room): Promise<void> {
    if (!room.opened?.drift || this.#closed) return;
    const pause = room.suspected ? Math.min(room.pace.drift, CLOSELY) : room.pace.drift;
    if (room.comparedAt !== null && Date.now() - room.comparedAt < pause) return;
    room.comparedAt = Date.now();
    room.suspected = false;
    let found: readonly Drift[];
    try {
      found = await room.opened.drift(hubCall(room.pace.checkTime, room.control.signal));
    } catch (error) {
      room.services.log.debug('What the source offers could not be compared.', { error });
      return;
    }
    const sentence = driftSentence(found);
    if (sentence && sentence !== room.drift) room.services.log.warn(`The source ${room.config.id} ${sentence}.`);
    room.drift = sentence;
    room.suspected ||= sentence !== null;
    room.health.drifted(sentence);
  }

  /** Writes the source's row, and the event when its state is another than the row's. One writing at a time. */
  #save(room: Room): void {
    const snapshot = room.health.snapshot();
    const mark = `${snapshot.state} ${snapshot.reason} ${snapshot.breaker}`;
    const due = Date.now() - room.savedAt >= room.pace.heartbeat;
    // The hub's own installation belongs to no park: it is no legacy system, and no source in the graph.
    if (room.config.park === '') return;
    if (!room.announced || (mark === room.saved && !due) || this.#closed) return;
    if (room.runner && !room.runner.holding && room.saved !== '') return;
    room.saved = mark;
    room.savedAt = Date.now();
    room.saving = room.saving
      .then(() => this.#write(room, snapshot))
      .catch((error) => {
        room.saved = '';
        room.services.log.warn('The state of the source could not be written.', { error });
      });
  }

  async #write(room: Room, snapshot: HealthSnapshot): Promise<void> {
    const { database } = this.#options;
    const lag = room.opened?.lag?.() ?? null;
    await database.transaction(async (tx) => {
      const rows: { state: string }[] = await tx.query('SELECT state FROM source WHERE id = $1 FOR UPDATE', [
        room.config.id,
      ]);
      const before = rows[0]?.state;
      await saveSource(tx, {
        id: room.config.id,
        system: room.config.connector,
        protocol: room.config.protocol,
        park: room.config.park,
        state: snapshot.state,
        since: snapshot.since,
        reason: snapshot.reason,
        lastSuccess: snapshot.lastSuccess,
        lagMs: lag === null ? null : String(Math.round(lag)),
        errors: snapshot.errors,
        breaker: snapshot.breaker,
        updatedAt: this.#clock.now(),
      });
      if (before !== undefined && before !== snapshot.state) {
        await room.services.emit(tx, [
          {
            foreignId: `state ${snapshot.since.toISOString()} ${snapshot.state}`,
            kind: 'SOURCE_STATE_CHANGED',
            time: snapshot.since,
            data: { from: before, to: snapshot.state, reason: snapshot.reason },
          },
        ]);
      }
    });
  }

  #context(call: Call): GraphContext<object> {
    return {
      call,
      principal: call.principal,
      installations: this.#installations(call),
      now: () => this.#clock.now(),
      cursors: this.#options.keys.cursors,
    };
  }

  /** The installations that this caller may see, for one request: each one's request object is made at first use. */
  #installations(call: Call): Installations<object> {
    const made = new Map<string, Installed<object>>();
    const of = (room: Room): Installed<object> => {
      let one = made.get(room.config.id);
      if (!one) {
        let source: object | null = null;
        one = {
          id: room.config.id,
          park: room.config.park,
          get source() {
            if (!room.opened) {
              const fault = unavailable('the installation could not be opened');
              fault.source = room.config.id;
              throw fault;
            }
            source ??= room.opened.request(call);
            return source;
          },
        };
        made.set(room.config.id, one);
      }
      return one;
    };
    // Row rights over parks, once for all connectors; the hub's own records belong to no park.
    const seen = (room: Room | undefined): Room | undefined =>
      room && (room.config.connector === 'hub' || mayPark(call.principal, room.config.park)) ? room : undefined;
    const rooms = this.#rooms;
    return {
      all: (park) =>
        [...rooms.values()].filter((room) => seen(room) && (park === undefined || room.config.park === park)).map(of),
      byId: (id) => {
        const room = seen(rooms.get(id));
        return room && of(room);
      },
      owner: (globalId) => {
        const colon = globalId.indexOf(':');
        const room = colon > 0 ? seen(rooms.get(globalId.slice(0, colon))) : undefined;
        if (!room) return undefined;
        const one = of(room);
        return {
          id: one.id,
          park: one.park,
          local: globalId.slice(colon + 1),
          get source() {
            return one.source;
          },
        };
      },
    };
  }
}

const complained = new Map<string, number>();

/** Tells the fact; nonsense of a source is logged once a minute per operation, since health alone would not show it. */
function tellCall(fact: SourceCallFact, log: Log): void {
  sourceCalls.publish(fact);
  if (fact.code === null) return;
  const key = `${fact.source} ${fact.operation} ${fact.code}`;
  const loud = fact.code === 'SOURCE_MALFORMED' || fact.code === 'INTERNAL';
  if (loud && Date.now() - (complained.get(key) ?? 0) > 60_000) {
    complained.set(key, Date.now());
    log.warn(`An answer of ${fact.source} cannot be used.`, { ...fact });
  } else log.debug('A call to the source failed.', { ...fact });
}
