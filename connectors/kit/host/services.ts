/** What is lent to an installation, made from the hub's database, clock and log. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { stores } from '../../../schema/database/connector-stores.ts';
import type { Database, Tx } from '../../../schema/database/database.ts';
import { appendEvents } from '../../../schema/database/events/event-log.ts';
import { type QuarantinedEvent, quarantineEvents } from '../../../schema/database/events/event-quarantine.ts';
import { projectCase } from '../../../schema/database/hub/cases.ts';
import { saveClaims } from '../../../schema/database/hub/identities.ts';
import {
  beginMutation,
  finishMutation,
  forgetMutation,
  getState,
  secretKey,
  setState,
} from '../../../schema/database/hub/installation-state.ts';
import { pack, unpack } from '../../../schema/database/json-codec.ts';
import { type Lease, proveLease } from '../../../schema/database/processes/leases.ts';
import { HUB_PRINCIPAL } from '../auth/principal.ts';
import { systemClock } from '../clock.ts';
import type { Call, Clock, InstallationInfo, NewEvent, Services } from '../connector.ts';
import { badInput, SourceError, unavailable } from '../errors.ts';
import { EventRefused, reportInvalid, sorted } from '../events/event-quarantine.ts';
import type { Guard } from '../guard/guard.ts';
import type { Log } from '../log.ts';
import { eventsWritten } from '../monitoring/diagnostics-channels.ts';
import { Cursors } from '../pagination.ts';

/** The keys that all processes of one hub share. */
export interface Keys {
  readonly cursors: Cursors;
  readonly hash: Buffer;
  /** Signs principals on their way to a connector's own process. */
  readonly principal: Buffer;
}

export async function loadKeys(database: Database): Promise<Keys> {
  return {
    cursors: new Cursors(await secretKey(database.plain, 'cursor')),
    hash: await secretKey(database.plain, 'hash'),
    principal: await secretKey(database.plain, 'principal'),
  };
}

/** The lease under which the current job runs; its transactions prove it. */
export const heldLease = new AsyncLocalStorage<Lease>();

/** Thrown inside a job's transaction when another process has taken over. */
export class LeaseLost extends Error {
  override name = 'LeaseLost';
}

export interface ServicesParts {
  readonly info: InstallationInfo;
  readonly database: Database;
  readonly keys: Keys;
  readonly guard: Guard;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly suspect: () => void;
  /** Code of a legacy system to building id. */
  readonly buildings: ReadonlyMap<string, string>;
}

export function makeServices(parts: ServicesParts): Services {
  const { info, database, keys, clock, signal } = parts;
  const by = () => ({ installation: info.id, connector: info.connector, park: info.park, at: clock.now() });
  const underWay = new Map<string, Promise<unknown>>();
  /** How many events a transaction holds; they count when it is committed. */
  const written = new WeakMap<Tx, number>();
  /** Events that a transaction has refused; they are reported when it is committed. Absent: the transaction is not one of ours. */
  const refusedIn = new WeakMap<Tx, QuarantinedEvent[]>();

  const services: Services = {
    installation: info,
    log: parts.log,
    clock,
    guard: parts.guard,
    cursors: keys.cursors,
    store: stores,
    signal,
    suspect: parts.suspect,
    globalId: (local) => `${info.id}:${local}`,
    hash: (kind, text) =>
      createHmac('sha256', keys.hash).update(kind).update('\0').update(text).digest('base64url').slice(0, 22),
    building: (code) => parts.buildings.get(code) ?? null,
    buildingCodes: (building) => {
      const all = [...parts.buildings].flatMap(([code, id]) => (id === building ? [code] : []));
      return all.length > 1 ? all.filter((code) => code !== building) : all;
    },
    transaction: async (work) => {
      let own: Tx | undefined;
      const done = await database.transaction(async (tx) => {
        own = tx;
        refusedIn.set(tx, []);
        const lease = heldLease.getStore();
        if (lease && !(await proveLease(tx, lease)))
          throw new LeaseLost(`The lease ${lease.name} is held elsewhere now.`);
        return work(tx);
      });
      const count = own && written.get(own);
      if (count) eventsWritten.publish({ installation: info.id, count });
      reportInvalid(parts.log, (own && refusedIn.get(own)) ?? []);
      return done;
    },
    read: (work) => work(database.plain),
    async emit(tx, events: readonly NewEvent[], { strict = false } = {}) {
      const { sound, refused } = sorted(info.id, events);
      const [first] = refused;
      if (first && strict) throw new EventRefused(first.kind, { field: first.field, problem: first.reason });
      if (refused.length > 0) {
        const fresh = await quarantineEvents(tx, refused);
        const later = refusedIn.get(tx);
        if (later) later.push(...fresh);
        else reportInvalid(parts.log, fresh);
      }
      const { count, fresh } = await appendEvents(tx, by(), sound);
      // The source knew it before us: what is read from now on is newer than the event, committed or not.
      parts.guard.changed(fresh);
      for (const event of fresh) {
        if (event.kind === 'CASE_CHANGED' && event.case && event.company) {
          const data = event.data ?? {};
          await projectCase(tx, {
            id: event.case,
            kind: String(data['kind']),
            company: event.company,
            state: String(data['state']),
            since: event.time,
            receipt: (data['receipt'] as string | null | undefined) ?? null,
            reason: (data['reason'] as string | null | undefined) ?? null,
            installation: info.id,
            connector: info.connector,
            position: event.position,
            recordedAt: clock.now(),
          });
        }
      }
      written.set(tx, (written.get(tx) ?? 0) + count);
      return count;
    },
    identify: (tx, claims) => saveClaims(tx, by(), claims),
    state: {
      get: (tx, name) => getState(tx, info.id, name),
      set: (tx, name, value) => setState(tx, info.id, name, value),
    },
    async once(call, request, act, recover) {
      const key = {
        subject: call.principal.subject,
        mutation: request.mutation,
        clientMutationId: request.clientMutationId,
      };
      const name = JSON.stringify(key);
      const hash = createHash('sha256').update(JSON.stringify(request.payload)).digest('hex');
      const earlier = underWay.get(name);
      if (earlier !== undefined) await earlier.catch(() => undefined);
      const work = doOnce(key, hash, act, recover);
      underWay.set(name, work);
      try {
        return await work;
      } finally {
        if (underWay.get(name) === work) underWay.delete(name);
      }
    },
    call: (milliseconds) => hubCall(milliseconds, signal),
  };

  async function doOnce<T>(
    key: { subject: string; mutation: string; clientMutationId: string },
    hash: string,
    act: (ownId: string) => Promise<T>,
    recover: ((ownId: string) => Promise<T | null>) | undefined,
  ): Promise<T> {
    const freshId = randomUUID();
    const before = await database.transaction((tx) => beginMutation(tx, key, hash, freshId));
    const finish = async (answer: T): Promise<T> => {
      await database.transaction((tx) => finishMutation(tx, key, pack(answer)));
      return answer;
    };
    if (before && before.payloadHash !== hash) {
      throw badInput(`clientMutationId "${key.clientMutationId}" was used before with other input.`);
    }
    if (before?.state === 'DONE') return unpack(before.answer) as T;
    if (before) {
      // A former try ended without an answer: ask the island by our own id, never send blindly again.
      if (!recover) throw unavailable('the outcome of a former try is not known, and the source cannot be asked');
      const found = await recover(before.ownId);
      if (found !== null) return finish(found);
    }
    try {
      return await finish(await act(before?.ownId ?? freshId));
    } catch (error) {
      const certain = !(error instanceof SourceError) || error.code === 'SOURCE_REJECTED';
      if (certain) await database.transaction((tx) => forgetMutation(tx, key));
      throw error;
    }
  }
  return services;
}

/** A call for the hub's own work. */
export function hubCall(milliseconds: number, signal: AbortSignal): Call {
  return { principal: HUB_PRINCIPAL, deadline: systemClock.monotonic() + milliseconds, signal, noted: new Map() };
}
