/** The car parks (REST) for the hand-written program. */
import { createHmac } from 'node:crypto';
import { Pool } from 'undici';
import { ReadingCache } from './reading-cache.ts';

/** Milliseconds of one call, as in the hub. */
const TIMEOUT = 2_000;

/** A car with a permit of the company. */
export interface Car {
  readonly id: string;
  readonly plate: string;
  readonly colour: string;
}
/** An open session; `lot` is the vendor's id. */
export interface OpenSession {
  readonly id: string;
  readonly colour: string | null;
  readonly enteredAt: string;
  readonly lot: string | null;
}
export interface Lot {
  readonly id: string;
  readonly name: string;
  readonly free: number | null;
}

interface Credential {
  readonly identifier: { readonly className: string; readonly id: string };
  readonly plateColour?: string;
}
interface RawRight {
  readonly expiry?: string;
  readonly rightHolder: { readonly credentials?: readonly Credential[] };
  readonly plannedUses?: readonly {
    readonly startTime: string;
    readonly endTime?: string;
    readonly expiryTime?: string;
    readonly cancelTime?: string;
  }[];
}
interface RawSession {
  readonly id: string;
  readonly actualStart: string;
  readonly actualEnd?: string | null;
  readonly hierachyElement?: { readonly id: string };
  readonly identifiedCredentials: readonly Credential[];
}
interface RawPlace {
  readonly id: string;
  readonly name: readonly { readonly language: string; readonly string: string }[];
  readonly hierarchyElementReference?: {
    readonly supply?: readonly { readonly supplyQuantity: number }[];
    readonly demandTable?: readonly {
      readonly demandType?: readonly { count: number; occupancyCalculation?: string; recordDateTime: string }[];
    }[];
  };
}

/** Counters report it for "unknown". */
const UNKNOWN_COUNT = 9_999;

/** Reads one installation of a car park vendor. */
export class CarParks {
  readonly #pool: Pool;
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #vehicleKey: Buffer;
  readonly #cars = new ReadingCache<readonly Car[]>(2_000);
  readonly #sessions = new ReadingCache<readonly OpenSession[]>(1_000);
  readonly #lots = new ReadingCache<ReadonlyMap<string, Lot>>(2_000);
  readonly #ids = new Map<string, string>();

  /** `vehicleKey`: the hub's key of vehicle ids. */
  constructor(url: string, token: string, vehicleKey: Buffer) {
    const address = new URL(url);
    this.#pool = new Pool(address.origin, { connections: 8, headersTimeout: TIMEOUT, bodyTimeout: TIMEOUT });
    this.#base = address.pathname.replace(/\/$/, '');
    this.#headers = { 'x-mcc-access-token': token, accept: 'application/json' };
    this.#vehicleKey = vehicleKey;
  }

  /** Cars with a current or future permit of the company. */
  carsOf(uscc: string) {
    return this.#cars.read(uscc, async () => {
      const path = `/rights/assigned?credential_class=CustomerCredential&credential_id=${uscc}&expand=plannedUses`;
      const cars = new Map<string, Car>();
      for (const right of await this.#list<RawRight>(path)) {
        const credential = vehicleOf(right.rightHolder.credentials ?? []);
        if (!credential || !isCurrent(right)) continue;
        const plate = credential.identifier.id;
        const colour = (credential.plateColour as string).toUpperCase().replace('-', '_');
        const key = `${plate}|${colour}`;
        cars.set(key, { id: this.#vehicleId(key), plate, colour });
      }
      return [...cars.values()];
    });
  }

  /** The open sessions of several plates, in one call for those that are not fresh. */
  async sessionsOf(plates: readonly string[]): Promise<ReadonlyMap<string, readonly OpenSession[]>> {
    const found = new Map<string, readonly OpenSession[]>();
    const missing: string[] = [];
    for (const plate of plates) {
      const fresh = this.#sessions.get(plate);
      if (fresh) found.set(plate, fresh.value);
      else missing.push(plate);
    }
    if (missing.length === 0) return found;
    const list = missing.map(encodeURIComponent).join(',');
    const path = `/sessions?credential_class=VehicleCredential&credential_id=${list}&open=true&expand=credentials`;
    const byPlate = new Map<string, OpenSession[]>(missing.map((plate) => [plate, []]));
    for (const raw of await this.#list<RawSession>(path)) {
      const credential = vehicleOf(raw.identifiedCredentials);
      if (!credential || raw.actualEnd != null) continue;
      byPlate.get(credential.identifier.id)?.push({
        id: raw.id,
        colour: credential.plateColour?.toUpperCase().replace('-', '_') ?? null,
        enteredAt: new Date(raw.actualStart).toISOString(),
        lot: raw.hierachyElement?.id ?? null,
      });
    }
    for (const [plate, sessions] of byPlate) {
      this.#sessions.set(plate, sessions);
      found.set(plate, sessions);
    }
    return found;
  }

  lots() {
    return this.#lots.read('', async () => {
      const places = await this.#list<RawPlace>('/places?expand=occupancy');
      return new Map(places.map((place) => [place.id, toLot(place)]));
    });
  }

  #vehicleId(key: string): string {
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = createHmac('sha256', this.#vehicleKey).update('vehicle\0').update(key).digest('base64url').slice(0, 22);
      this.#ids.set(key, id);
    }
    return id;
  }

  async #list<T>(path: string): Promise<readonly T[]> {
    const { statusCode, body } = await this.#pool.request({
      method: 'GET',
      path: `${this.#base}${path}&offset=0&page_size=1000`,
      headers: this.#headers,
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`Car parks: HTTP ${statusCode}: ${text}`);
    const page = JSON.parse(text) as { data: readonly T[]; meta: { total: number } };
    if (page.meta.total > page.data.length)
      throw new Error('Car parks: more than 1,000 rows, which this program does not read.');
    return page.data;
  }
}

/** The credential of a vehicle; a plate without colour is not one. */
const vehicleOf = (credentials: readonly Credential[]): Credential | undefined =>
  credentials.find(
    ({ identifier, plateColour }) =>
      identifier.className === 'VehicleCredential' && plateColour !== undefined && identifier.id !== '_无_',
  );

function isCurrent({ expiry, plannedUses = [] }: RawRight): boolean {
  if (plannedUses.length > 0 && plannedUses.every((use) => use.cancelTime)) return false;
  const ends = plannedUses.map((use) => use.expiryTime ?? use.endTime);
  const end = expiry ?? (ends.length === 0 || ends.includes(undefined) ? null : (ends.sort().at(-1) as string));
  return end === null || Date.parse(end) > Date.now();
}

function toLot({ id, name, hierarchyElementReference: element }: RawPlace): Lot {
  const supply = element?.supply?.[0]?.supplyQuantity ?? null;
  const capacity = supply === UNKNOWN_COUNT ? null : supply;
  const [newest] = (element?.demandTable ?? [])
    .flatMap((table) => table.demandType ?? [])
    .filter(
      ({ count, occupancyCalculation: how }) =>
        count != null && (how == null || how === 'counted' || how === 'verified'),
    )
    .sort((a, b) => (a.recordDateTime < b.recordDateTime ? 1 : -1));
  const occupied = newest === undefined || newest.count === UNKNOWN_COUNT ? null : newest.count;
  return {
    id,
    name: name[0]?.string ?? '',
    free: capacity === null || occupied === null ? null : Math.max(capacity - occupied, 0),
  };
}
