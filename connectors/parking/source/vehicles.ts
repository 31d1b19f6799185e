/** Opaque vehicle ids and the vehicles stored under them. */
import type { Services } from '../../kit/services.ts';
import type { PlateColour, VehicleKey } from '../model.ts';
import type { IdentifiedVehicle } from './result-types.ts';
import { vehicleKey } from './vehicle-holders.ts';

/** The part of a vendor record that names a vehicle and its company. */
export interface VehicleRecord {
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
    return this.#services.hash('vehicle', vehicleKey(vehicle));
  }

  /** The vehicles named by the records, with their ids. */
  withIds(records: readonly VehicleRecord[]): IdentifiedVehicle[] {
    return records.flatMap(({ vehicle, company }) => (vehicle ? [{ ...vehicle, id: this.id(vehicle), company }] : []));
  }

  /** Stores the vehicles of the records under their ids; call it before an id is returned. A stored company is not overwritten. */
  async save(records: readonly VehicleRecord[]): Promise<void> {
    const vehicles = this.withIds(records);
    if (vehicles.length === 0) return;
    const { store, installation } = this.#services;
    await this.#services.transaction((tx) => store.parking.addVehicles(tx, installation.id, vehicles));
  }

  /** Stored vehicles by id; unknown ids are missing. */
  async findByIds(ids: readonly string[]): Promise<ReadonlyMap<string, IdentifiedVehicle>> {
    const { read, store, installation } = this.#services;
    const rows = await read((tx) => store.parking.vehiclesByIds(tx, installation.id, ids));
    return new Map([...rows].map(([id, row]) => [id, { ...row, colour: row.colour as PlateColour }]));
  }

  /** Stored vehicles with this plate, one per colour. */
  async findByPlate(plate: string): Promise<readonly IdentifiedVehicle[]> {
    const { read, store, installation } = this.#services;
    return (await read((tx) =>
      store.parking.vehiclesByPlate(tx, installation.id, plate),
    )) as readonly IdentifiedVehicle[];
  }
}
