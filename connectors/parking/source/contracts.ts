/** Who holds which contract: what the hub must know to name companies while the vendor is dark. */
import type { Claim, Services, Tx } from '../../kit/connector.ts';
import * as mapping from '../mapping/index.ts';
import type { VehicleKey } from '../model.ts';
import { newestHolders } from './holders.ts';
import type { ParkingApi } from './http.ts';

/** Reads the vendor's whole list of rights; `also` runs in the transaction that keeps what it says. */
export async function readContracts(
  services: Services,
  api: ParkingApi,
  vehicleId: (vehicle: VehicleKey) => string,
  also: (tx: Tx) => Promise<void>,
): Promise<void> {
  const { guard, transaction, identify, store, installation, clock } = services;
  const all = await guard.read(services.call(30_000), { operation: 'poll contracts' }, (signal) =>
    api.all('/rights/assigned', { expand: 'plannedUses' }, mapping.permit, signal),
  );
  const vehicles = newestHolders(all.value, clock.now()).map(({ vehicle, company }) => ({
    ...vehicle,
    id: vehicleId(vehicle),
    company,
  }));
  await transaction(async (tx) => {
    await store.parking.assignVehicles(tx, installation.id, vehicles);
    await identify(tx, [
      ...all.value.flatMap((one) => claims(null, one.company, one.contract)),
      ...vehicles.flatMap((one) => claims(one.id, null, null)),
    ]);
    await also(tx);
  });
}

/** Under which ids parking knows a company and its vehicles. No plates: the hub's identities and log hold none. */
export function claims(vehicle: string | null, company: string | null, contract: string | null): Claim[] {
  return [
    ...(vehicle ? [{ entity: 'VEHICLE', key: vehicle, system: 'vehicle', value: vehicle } as const] : []),
    ...(company ? [{ entity: 'COMPANY', key: company, system: 'uscc', value: company } as const] : []),
    ...(company && contract
      ? [{ entity: 'COMPANY', key: company, system: 'parking-contract', value: contract } as const]
      : []),
  ];
}
