/** Types of the fictional park. Records refer to each other by key; moments contain the records themselves. */

export interface World {
  readonly seed: string;
  /**
   * From this instant on (for cars and people 20 minutes earlier) the demo's extra activity is added to the office schedule;
   * null: always.
   */
  readonly liveFrom: Date | null;
  readonly park: { readonly id: 'lakeside'; readonly name: string; readonly nameEn: string; readonly region: '500112' };
  /** 12, `lakeside-b01`... */
  readonly buildings: readonly Building[];
  /** 40. The first 24 run a watch around the clock. */
  readonly companies: readonly Company[];
  /** 800, in order of company. */
  readonly people: readonly Person[];
  /** 600. */
  readonly vehicles: readonly Vehicle[];
  /** 3. */
  readonly lots: readonly Lot[];
  /** 60, five for each building. */
  readonly doors: readonly Door[];
  /** 120, half on Modbus, half on MQTT. */
  readonly meters: readonly Meter[];
}

export interface Building {
  readonly id: string;
  /** Code in the legacy systems, such as `B01`. */
  readonly code: string;
  readonly name: string;
  /** Square metres, as a decimal. */
  readonly floorArea: string;
}

/** The company as founded. `registerEntry` gives its register entry at an instant. */
export interface Company {
  readonly index: number;
  readonly uscc: string;
  readonly name: string;
  /** The park's own number: `T-0001`. */
  readonly tenantNo: string;
  /** Since 2015 the credit code. */
  readonly taxpayerNo: string;
  /** Customer number at the energy supplier. */
  readonly meterCustomerNo: string;
  /** Id of its building. */
  readonly building: string;
  /** Number of its employees in `people`. */
  readonly headcount: number;
  readonly legalRepresentative: string;
  /** Yuan, two decimals. */
  readonly capital: string;
  readonly scope: string;
  readonly address: string;
  /** Dates as `2019-03-01`. */
  readonly establishedOn: string;
  readonly approvedOn: string;
  readonly status: 'active' | 'suspended' | 'pending';
}

export interface Person {
  readonly index: number;
  /** Number in the door system: `100001`. */
  readonly pin: string;
  readonly name: string;
  /** Credit code of the employer. */
  readonly company: string;
  /** Ten digits with leading zeros. */
  readonly cardNo: string;
  /** Plate of the person's own car, if any. */
  readonly vehicle: string | null;
  /** Crew of the company's round-the-clock watch; null: office hours. */
  readonly crew: 0 | 1 | 2 | null;
}

export interface Vehicle {
  readonly index: number;
  readonly plate: string;
  /** Green plates have eight characters. */
  readonly colour: 'blue' | 'green' | 'yellow';
  /** Credit code. */
  readonly company: string;
  /** Pin of the owner; null for a company's pool car. */
  readonly owner: string | null;
  /** Id of the only lot it has a permit for and parks in. */
  readonly lot: string;
}

export interface Lot {
  readonly id: string;
  readonly name: string;
  /** More than the number of vehicles with a permit, so the lot is never full. */
  readonly capacity: number;
}

export interface Door {
  readonly index: number;
  readonly id: string;
  readonly name: string;
  /** Id of its building. */
  readonly building: string;
  readonly readers: readonly Direction[];
}

export interface Meter {
  readonly index: number;
  readonly serial: string;
  readonly medium: 'electricity' | 'water' | 'heat';
  readonly unit: 'kWh' | 'm3';
  /** Decimals of the register: 2 for kWh, 3 for m3. */
  readonly decimals: number;
  /** Id of its building. */
  readonly building: string;
  /** Credit code; null when it measures the whole building. */
  readonly company: string | null;
  readonly protocol: 'modbus' | 'mqtt';
  /** Register value at the start of 2024 (UTC), in whole units. */
  readonly baseRegister: number;
  /** Thousandths of the unit per hour (electricity: watts), for each of the 168 hours of a local week from Monday 0:00. */
  readonly load: readonly number[];
}

export type Direction = 'in' | 'out';
export type DenialReason = 'no-right' | 'outside-hours' | 'expired';
export type RegisterField = 'capital' | 'scope' | 'address' | 'legalRepresentative';

/** The variable fields of a register entry. */
export interface RegisterFacts {
  readonly legalRepresentative: string;
  readonly capital: string;
  readonly scope: string;
  readonly address: string;
  /** Date of the last change, local. */
  readonly approvedOn: string;
  readonly changedAt: Date;
}

export interface Swipe {
  readonly at: Date;
  readonly kind: 'swipe';
  readonly person: Person;
  readonly door: Door;
  readonly direction: Direction;
  readonly granted: boolean;
  /** Null when granted. */
  readonly reason: DenialReason | null;
}

export interface VehicleMovement {
  readonly at: Date;
  readonly kind: 'enter' | 'exit';
  readonly vehicle: Vehicle;
  readonly lot: Lot;
  /** Same value for entry and exit of one stay. */
  readonly session: string;
  /** Start of the stay; for an entry equal to `at`. */
  readonly enteredAt: Date;
}

export interface RegisterChange {
  readonly at: Date;
  readonly kind: 'register-change';
  readonly company: Company;
  readonly fields: readonly RegisterField[];
  /** The entry after the change. */
  readonly facts: RegisterFacts;
  /** Number of the filing that caused the change; null when the register changed it on its own. */
  readonly case: string | null;
}

export interface TaxFile {
  readonly at: Date;
  readonly kind: 'tax-file';
  /** Unique, ascending delivery number. */
  readonly number: number;
  readonly nature: 'accounts' | 'filings' | 'invoices';
  /** Month that the file covers, such as `2026-10`: the month before the delivery. */
  readonly period: string;
  readonly companies: readonly Company[];
}

export type Moment = Swipe | VehicleMovement | RegisterChange | TaxFile;

/** A vehicle parked in a lot. */
export interface Stay {
  readonly session: string;
  readonly vehicle: Vehicle;
  readonly lot: Lot;
  readonly enteredAt: Date;
}
