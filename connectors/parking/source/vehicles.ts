/** The opaque ids of vehicles, and what they mean. */
import type { Services } from '../../kit/connector.ts';
import type { PlateColour, VehicleKey } from '../model.ts';
import type { IdentifiedVehicle } from './answers.ts';
import { plateKey } from './holders.ts';

/** A record of the vendor, as far as it tells of a vehicle. */
export interface OfVehicle {
  readonly vehicle: VehicleKey | null;
  readonly company: string | null;
}

export class Vehicles {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /** Opaque id of a vehicle: a keyed hash of plate and colour. */
  id(vehicle: VehicleKey): string {
    return this.#services.hash('vehicle', plateKey(vehicle));
  }

  /** Those that the records name, with their ids. */
  named(all: readonly OfVehicle[]): IdentifiedVehicle[] {
    return all.flatMap(({ vehicle, company }) => (vehicle ? [{ ...vehicle, id: this.id(vehicle), company }] : []));
  }

  /** Keeps what the opaque ids of these vehicles mean, before anyone is told of them; a company that is known stays. */
  async remember(all: readonly OfVehicle[]): Promise<void> {
    const vehicles = this.named(all);
    if (vehicles.length === 0) return;
    const { store, installation } = this.#services;
    await this.#services.transaction((tx) => store.parking.nameVehicles(tx, installation.id, vehicles));
  }

  /** Those that have been remembered, by id. */
  async byIds(ids: readonly string[]): Promise<ReadonlyMap<string, IdentifiedVehicle>> {
    const { read, store, installation } = this.#services;
    const rows = await read((tx) => store.parking.vehiclesByIds(tx, installation.id, ids));
    return new Map([...rows].map(([id, row]) => [id, { ...row, colour: row.colour as PlateColour }]));
  }

  /** Those of a plate that have been remembered, one for each colour. */
  async byPlate(plate: string): Promise<readonly IdentifiedVehicle[]> {
    const { read, store, installation } = this.#services;
    return (await read((tx) =>
      store.parking.vehiclesByPlate(tx, installation.id, plate),
    )) as readonly IdentifiedVehicle[];
  }
}
