/** Opaque vehicle ids and the vehicles stored under them. */
import { LRUCache } from 'lru-cache';
import type { Services } from '../../kit/services.ts';
import { GroupCommit } from '../../kit/tasks/group-commit.ts';
import type { PlateColour, VehicleKey } from '../model.ts';
import type { IdentifiedVehicle } from './result-types.ts';
import { vehicleKey } from './vehicle-holders.ts';

/** The part of a vendor record that names a vehicle and its company. */
export interface VehicleRecord {
  readonly vehicle: VehicleKey | null;
  readonly company: string | null;
}

/** Vehicles of one installation that this process knows to be stored. */
const MAX_KNOWN = 50_000;
/** Milliseconds after which a stored vehicle is written again in the background: another process may have removed its company. */
const CHECK_INTERVAL = 60_000;
/** Reads whose vehicles are written by one statement. */
const MAX_BATCH = 200;

interface KnownVehicle {
  /** Null: it may have one. */
  readonly company: string | null;
  checkedAt: number;
}

export class Vehicles {
  readonly #services: Services;
  readonly #ids = new LRUCache<string, string>({ max: MAX_KNOWN });
  readonly #known = new LRUCache<string, KnownVehicle>({ max: MAX_KNOWN });
  readonly #writes = new GroupCommit<readonly IdentifiedVehicle[]>((batch) => this.#write(batch.flat()), MAX_BATCH);

  constructor(services: Services) {
    this.#services = services;
  }

  /** Opaque id of a vehicle: a keyed hash of plate and colour. */
  id(vehicle: VehicleKey): string {
    const key = vehicleKey(vehicle);
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.#services.hash('vehicle', key);
      this.#ids.set(key, id);
    }
    return id;
  }

  /** The vehicles named by the records, with their ids. */
  withIds(records: readonly VehicleRecord[]): IdentifiedVehicle[] {
    return records.flatMap(({ vehicle, company }) => (vehicle ? [{ ...vehicle, id: this.id(vehicle), company }] : []));
  }

  /**
   * Stores the vehicles of the records under their ids; call it before an id is returned. A stored company is not overwritten. Waits for
   * the database only if a vehicle is new or its company was not known.
   */
  async save(records: readonly VehicleRecord[]): Promise<void> {
    const now = this.#services.clock.monotonic();
    const added: IdentifiedVehicle[] = [];
    const checked: IdentifiedVehicle[] = [];
    for (const vehicle of this.withIds(records)) {
      const known = this.#known.get(vehicle.id);
      if (!known || (known.company === null && vehicle.company !== null)) added.push(vehicle);
      else if (now - known.checkedAt >= CHECK_INTERVAL) {
        known.checkedAt = now;
        checked.push(vehicle);
      }
    }
    if (checked.length > 0) {
      this.#writes.add(checked).catch(() => {
        // The next read of such a vehicle writes it, and rejects if that fails too.
        for (const { id } of checked) this.#known.delete(id);
      });
    }
    if (added.length > 0) await this.#writes.add(added);
  }

  async #write(vehicles: readonly IdentifiedVehicle[]): Promise<void> {
    const { read, store, installation } = this.#services;
    await read((tx) => store.parking.addVehicles(tx, installation.id, vehicles));
    for (const { id, company } of vehicles)
      this.recordStored([{ id, company: company ?? this.#known.get(id)?.company ?? null }]);
  }

  /** Call it after vehicles were stored elsewhere in this process, with their companies. */
  recordStored(vehicles: readonly Pick<IdentifiedVehicle, 'id' | 'company'>[]): void {
    const checkedAt = this.#services.clock.monotonic();
    for (const { id, company } of vehicles) this.#known.set(id, { company, checkedAt });
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
