/**
 * Copies permit holders and parking contracts to the hub, so that companies can be named while the vendor is down; and claims the
 * companies and vehicles of past sessions, once.
 */
import type { Call } from '../../kit/call.ts';
import type { Tx } from '../../kit/connector.ts';
import type { Claim, Services } from '../../kit/services.ts';
import * as mapping from '../mapping/index.ts';
import type { ParkingApi, Query } from './parking-api.ts';
import { currentHolders } from './vehicle-holders.ts';
import type { VehicleRecord, Vehicles } from './vehicles.ts';

/** Reads all assigned rights and stores holders and contracts. `onStored` runs in the same transaction. */
export async function storeContracts(
  services: Services,
  api: ParkingApi,
  known: Pick<Vehicles, 'id' | 'recordStored'>,
  onStored: (tx: Tx) => Promise<void>,
): Promise<void> {
  const { guard, transaction, identify, store, installation, clock } = services;
  const all = await guard.read(services.call(30_000), { operation: 'poll contracts' }, (signal) =>
    api.getAll('/rights/assigned', { expand: 'plannedUses' }, mapping.permit, signal),
  );
  const vehicles = currentHolders(all.value, clock.now()).map(({ vehicle, company }) => ({
    ...vehicle,
    id: known.id(vehicle),
    company,
  }));
  await transaction(async (tx) => {
    await store.parking.assignVehicles(tx, installation.id, vehicles);
    await identify(tx, [
      ...all.value.flatMap((permit) => identityClaims(null, permit.company, permit.contract)),
      ...vehicles.flatMap((vehicle) => identityClaims(vehicle.id, null, null)),
    ]);
    await onStored(tx);
  });
  known.recordStored(vehicles);
}

/** Progress of reading the past sessions; stored after each window. */
interface SessionHistory {
  /** Sessions that started before this time are not read yet, in seconds since the epoch; null: all are. */
  readonly before: number | null;
}
/** Name of that state. */
const SESSION_HISTORY = 'session history';
/** Seconds of sessions that are read and committed at once. */
const HISTORY_WINDOW = 86_400;
/** Seconds after the first poll that are read, too. */
const HISTORY_OVERLAP = 600;
/** Sessions per request. */
const PAGE_SIZE = 1_000;

/** Records that all companies and vehicles are claimed, once the contracts and all past sessions were read. */
export async function completeClaimsIfRead(services: Services, tx: Tx, validFor: number): Promise<void> {
  const { state, completeClaims } = services;
  const history = await state.get<SessionHistory>(tx, SESSION_HISTORY);
  if (history?.before === null && (await state.get(tx, 'contracts read')) !== null) await completeClaims(tx, validFor);
}

export interface SessionHistoryDependencies {
  readonly services: Services;
  readonly api: ParkingApi;
  readonly vehicles: Pick<Vehicles, 'id'>;
  /** Runs in the transaction of the last window. */
  readonly onRead: (tx: Tx) => Promise<void>;
}

/**
 * Claims the companies and vehicles of the sessions that started before the first poll of sessions, from the newest to the oldest, one
 * window of time after the other, until the vendor has none that are older. Later sessions are claimed when they are polled. Resolves
 * with whether all were read, now or earlier.
 */
export async function claimSessionHistory(
  { services, api, vehicles, onRead }: SessionHistoryDependencies,
  call: Call,
): Promise<boolean> {
  const { guard, read, transaction, state, identify } = services;
  const page = async (query: Query) =>
    (
      await guard.read(services.call(30_000), { operation: 'poll sessions' }, async (signal) =>
        mapping.pageSkippingInvalid(
          await api.get('/sessions', { ...query, expand: ['credentials'] }, signal),
          mapping.session,
        ),
      )
    ).value;
  const polled = await read((tx) => state.get<{ began: number }>(tx, 'sessions'));
  if (polled === null) return false;
  let { before } = (await read((tx) => state.get<SessionHistory>(tx, SESSION_HISTORY))) ?? {
    before: polled.began + HISTORY_OVERLAP,
  };
  while (before !== null && !call.signal.aborted) {
    const start: number = before - HISTORY_WINDOW;
    const claims: Claim[] = [];
    let instant: number | undefined;
    for (let offset = 0; ; ) {
      const {
        items,
        refused,
        total,
        instant: answered,
      } = await page({
        ...{ start_after: start, start_before: before, offset, page_size: PAGE_SIZE, reference_instant: instant },
      });
      instant ??= answered;
      claims.push(...claimsOf(items, vehicles));
      const rows = items.length + refused.length;
      offset += rows;
      if (rows === 0 || offset >= total) break;
    }
    // While a window has sessions, older ones are expected.
    const isLast = claims.length === 0 && (await page({ start_before: start, page_size: 1 })).total === 0;
    const next: SessionHistory = { before: isLast ? null : start };
    await transaction(async (tx) => {
      await identify(tx, claims);
      await state.set(tx, SESSION_HISTORY, next);
      if (next.before === null) await onRead(tx);
    });
    before = next.before;
  }
  return before === null;
}

/** Claims of the vehicles and companies that records of the vendor name. */
export const claimsOf = (records: readonly VehicleRecord[], vehicles: Pick<Vehicles, 'id'>): Claim[] =>
  records.flatMap(({ vehicle, company }) => identityClaims(vehicle && vehicles.id(vehicle), company, null));

/**
 * Identity claims for a vehicle, a company and its contract number. Plates are never claimed: identities and the event log hold
 * none.
 */
export function identityClaims(vehicle: string | null, company: string | null, contract: string | null): Claim[] {
  return [
    ...(vehicle ? [{ entity: 'VEHICLE', key: vehicle, system: 'vehicle', value: vehicle } as const] : []),
    ...(company ? [{ entity: 'COMPANY', key: company, system: 'uscc', value: company } as const] : []),
    ...(company && contract
      ? [{ entity: 'COMPANY', key: company, system: 'parking-contract', value: contract } as const]
      : []),
  ];
}
