/** Creates the `Services` of an installation from the hub's database, clock and log. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createHmac } from 'node:crypto';
import { stores } from '../../../schema/database/connector-stores.ts';
import type { Database, Tx } from '../../../schema/database/database.ts';
import { appendEvents } from '../../../schema/database/events/event-log.ts';
import { type QuarantinedEvent, quarantineEvents } from '../../../schema/database/events/event-quarantine.ts';
import { projectCase } from '../../../schema/database/hub/cases.ts';
import { saveClaims } from '../../../schema/database/hub/identities.ts';
import { getState, setState } from '../../../schema/database/hub/installation-state.ts';
import { secretKey } from '../../../schema/database/hub/secret-keys.ts';
import { type Lease, proveLease } from '../../../schema/database/processes/leases.ts';
import { ReadDeadlineError } from '../../../schema/database/reads/read-deadline.ts';
import { HUB_PRINCIPAL } from '../auth/principal.ts';
import type { Call, InstallationInfo } from '../call.ts';
import { type Clock, systemClock } from '../clock.ts';
import { Cursors } from '../cursor.ts';
import { InvalidEventError, reportInvalidEvents, splitEvents } from '../events/event-quarantine.ts';
import type { Guard } from '../guard/guard-types.ts';
import { deadlineExceeded } from '../guard/timeouts.ts';
import type { Log } from '../log.ts';
import { eventsWrittenChannel } from '../monitoring/diagnostics-channels.ts';
import type { NewEvent, Services } from '../services.ts';
import { CLAIMS_COMPLETE, type CompleteClaims } from '../subgraph/known-installations.ts';
import { createRunOnce } from './idempotent-mutation.ts';

/** Secret keys, stored in the database and shared by all processes of the hub. */
export interface Keys {
  readonly cursors: Cursors;
  /** Of `Services.hash`. */
  readonly hash: Buffer;
  /** Signs the principal header of requests to a connector's own process. */
  readonly principal: Buffer;
}

/** Loads the keys; creates missing ones. */
export async function loadKeys(database: Database): Promise<Keys> {
  return {
    cursors: new Cursors(await secretKey(database.plain, 'cursor')),
    hash: await secretKey(database.plain, 'hash'),
    principal: await secretKey(database.plain, 'principal'),
  };
}

/** The lease of the current job; each of its transactions verifies it. */
export const currentLease = new AsyncLocalStorage<Lease>();

/** Thrown in a job's transaction when another process has acquired the lease. */
export class LeaseLost extends Error {
  override name = 'LeaseLost';
}

export interface ServicesOptions {
  readonly info: InstallationInfo;
  readonly database: Database;
  readonly keys: Keys;
  readonly guard: Guard;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly suspectDrift: () => void;
  /** Building ids by the codes of the legacy systems. */
  readonly buildings: ReadonlyMap<string, string>;
}

export function createServices(options: ServicesOptions): Services {
  const { info, database, keys, log, guard, clock, signal, buildings } = options;
  const origin = () => ({ installation: info.id, connector: info.connector, park: info.park, at: clock.now() });
  /** Events appended in a transaction; published when it is committed. */
  const appended = new WeakMap<Tx, number>();
  /** Events rejected in a transaction; reported when it is committed. Absent: the transaction was not started here. */
  const rejectedIn = new WeakMap<Tx, QuarantinedEvent[]>();

  return {
    installation: info,
    log,
    clock,
    guard,
    cursors: keys.cursors,
    store: stores,
    signal,
    suspectDrift: options.suspectDrift,
    globalId: (local) => `${info.id}:${local}`,
    hash: (kind, text) =>
      createHmac('sha256', keys.hash).update(kind).update('\0').update(text).digest('base64url').slice(0, 22),
    building: (code) => buildings.get(code) ?? null,
    buildingCodes: (building) => {
      const all = [...buildings].flatMap(([code, id]) => (id === building ? [code] : []));
      return all.length > 1 ? all.filter((code) => code !== building) : all;
    },
    transaction: async (work) => {
      let own: Tx | undefined;
      const result = await database.transaction(async (tx) => {
        own = tx;
        rejectedIn.set(tx, []);
        const lease = currentLease.getStore();
        if (lease && !(await proveLease(tx, lease))) {
          throw new LeaseLost(`Lease ${lease.name} was acquired by another process.`);
        }
        return work(tx);
      });
      const count = own && appended.get(own);
      if (count) eventsWrittenChannel.publish({ installation: info.id, count });
      reportInvalidEvents(log, (own && rejectedIn.get(own)) ?? []);
      return result;
    },
    read: (work, call) => (call ? readForCall(database, info, call, work) : work(database.requests)),
    async emit(tx, events: readonly NewEvent[], { strict = false } = {}) {
      const { valid, rejected } = splitEvents(info.id, events);
      const [first] = rejected;
      if (first && strict) throw new InvalidEventError(first.kind, { field: first.field, problem: first.reason });
      if (rejected.length > 0) {
        const newlyRejected = await quarantineEvents(tx, rejected);
        const reportedLater = rejectedIn.get(tx);
        if (reportedLater) reportedLater.push(...newlyRejected);
        else reportInvalidEvents(log, newlyRejected);
      }
      const { count, added } = await appendEvents(tx, origin(), valid);
      // The source knows of the event already: reads from now on are newer than it, whether or not it is committed.
      guard.invalidate(added);
      for (const event of added) {
        if (event.kind !== 'CASE_CHANGED' || !event.case || !event.company) continue;
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
      appended.set(tx, (appended.get(tx) ?? 0) + count);
      return count;
    },
    identify: (tx, claims) => saveClaims(tx, origin(), claims),
    completeClaims: (tx, validFor) =>
      setState(tx, info.id, CLAIMS_COMPLETE, { at: clock.now().toISOString(), validFor } satisfies CompleteClaims),
    state: {
      get: (tx, name) => getState(tx, info.id, name),
      set: (tx, name, value) => setState(tx, info.id, name, value),
    },
    runOnce: createRunOnce(database),
    call: (milliseconds) => hubCall(milliseconds, signal),
  };
}

/** A read that ends with the call's deadline. Another error of the database stays an internal one. */
async function readForCall<T>(
  database: Database,
  { id }: InstallationInfo,
  call: Call,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  try {
    return await database.readWithin(call.deadline - systemClock.monotonic(), work);
  } catch (error) {
    if (!(error instanceof ReadDeadlineError)) throw error;
    const late = deadlineExceeded(error.message);
    late.source = id;
    throw late;
  }
}

/** A call for the hub's own work, with a deadline in `milliseconds` from now. */
export function hubCall(milliseconds: number, signal: AbortSignal): Call {
  return {
    principal: HUB_PRINCIPAL,
    deadline: systemClock.monotonic() + milliseconds,
    signal,
    sourceConditions: new Map(),
  };
}
