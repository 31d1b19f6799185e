/** What door systems know, in our words. Ids are global; times are instants. No biometrics, ever. */

/** A door, gate or turnstile. */
export interface Door {
  readonly id: string;
  readonly name: string;
  /** Id of the building it belongs to; null when the park does not know the area. */
  readonly building: string | null;
}

/** Physical state of a door, as last reported. */
export type DoorCondition = 'CLOSED' | 'OPEN' | 'FORCED' | 'HELD_OPEN' | 'UNKNOWN';

/** A person as the doors know them. */
export interface Person {
  /** Keyed hash; opaque. */
  readonly id: string;
  readonly name: string | null;
  /** Credit code of the company. */
  readonly company: string | null;
}

/** A card that opens doors. Its number stays inside: whoever knows it can copy the card. */
export interface Badge {
  readonly id: string;
  readonly active: boolean;
  readonly company: string | null;
  readonly holder: Person | null;
  /** Place in lists of badges. */
  readonly order: number;
}

/** One try to pass a door. */
export interface Passage {
  readonly id: string;
  readonly time: Date;
  readonly granted: boolean;
  /** Why not, in our words; null when granted. */
  readonly reason: string | null;
  readonly door: string | null;
  readonly badge: string | null;
  /** Place in the door's log: its local time and number. */
  readonly place: readonly [string, number];
}

/** A person who is inside: their last granted swipe was in. */
export interface Sighting {
  readonly person: Person;
  readonly time: Date;
  readonly building: string | null;
}

/** One line of the door system's log that the park hears of. */
export interface DoorEvent {
  /** The same line is the same text, however often it is read. */
  readonly foreignId: string;
  readonly time: Date;
  readonly kind: 'ACCESS_GRANTED' | 'ACCESS_DENIED' | 'DOOR_STATE_CHANGED';
  readonly door: string | null;
  readonly badge: string | null;
  readonly company: string | null;
  readonly reason: string | null;
  readonly state: DoorCondition | null;
}

/** A company as the door system names it. */
export interface Tenant {
  readonly uscc: string;
  readonly tenantNumber: string | null;
}

/** A page of one list, asked for with one row more than shown. */
export interface PageAsk {
  readonly forward: boolean;
  readonly limit: number;
}

export interface TimeSpan {
  readonly from: Date | null;
  readonly to: Date | null;
}
