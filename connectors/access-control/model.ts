/** The door system's data in the hub's terms. Ids are global; times are instants. Biometric data is never read. */

/** A door, gate or turnstile. */
export interface Door {
  readonly id: string;
  readonly name: string;
  /** Building id; null when no building of the park has the door's area code. */
  readonly building: string | null;
}

/** Physical state of a door, as last reported. */
export type DoorCondition = 'CLOSED' | 'OPEN' | 'FORCED' | 'HELD_OPEN' | 'UNKNOWN';

/** A person in the door system. */
export interface Person {
  /** Opaque: a keyed hash. */
  readonly id: string;
  readonly name: string | null;
  /** Credit code of the company. */
  readonly company: string | null;
}

/** A card that opens doors. The card number is never exposed, because a card can be copied from its number. */
export interface Badge {
  readonly id: string;
  readonly active: boolean;
  readonly company: string | null;
  readonly holder: Person | null;
  /** Sort key in lists of badges. */
  readonly order: number;
}

/** One attempt to pass a door. */
export interface AccessAttempt {
  readonly id: string;
  readonly time: Date;
  readonly granted: boolean;
  /** Reason of the denial in the hub's terms; null when granted. */
  readonly reason: string | null;
  readonly door: string | null;
  readonly badge: string | null;
  /** Sort key in the door's log: local time and line number. */
  readonly position: readonly [string, number];
}

/** A person who is inside: the last granted swipe was in. */
export interface Occupant {
  readonly person: Person;
  readonly time: Date;
  readonly building: string | null;
}

/** A line of the door system's log that becomes an event. */
export interface DoorEvent {
  /** Natural key of the line, the same on every read. */
  readonly foreignId: string;
  readonly time: Date;
  readonly kind: 'ACCESS_GRANTED' | 'ACCESS_DENIED' | 'DOOR_STATE_CHANGED';
  readonly door: string | null;
  readonly badge: string | null;
  readonly company: string | null;
  readonly reason: string | null;
  readonly state: DoorCondition | null;
}

/** A company in the door system. */
export interface Tenant {
  readonly uscc: string;
  readonly tenantNumber: string | null;
}

/** Reading direction and size of a page; `limit` is one more than the rows returned to the client. */
export interface PageWindow {
  readonly forward: boolean;
  readonly limit: number;
}

export interface TimeSpan {
  readonly from: Date | null;
  readonly to: Date | null;
}
