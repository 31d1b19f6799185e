/** Copies permit holders and parking contracts to the hub, so that companies can be named while the vendor is down. */
import type { Tx } from '../../kit/connector.ts';
import type { Claim, Services } from '../../kit/services.ts';
import * as mapping from '../mapping/index.ts';
import type { ParkingApi } from './parking-api.ts';
import { currentHolders } from './vehicle-holders.ts';
import type { Vehicles } from './vehicles.ts';

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
