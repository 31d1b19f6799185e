/** What the hub itself knows. */

export interface Park {
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly kind: string | null;
  readonly function: string | null;
  readonly ledBy: string | null;
  readonly level: string | null;
}

export interface Building {
  readonly id: string;
  readonly name: string;
  readonly park: string;
  readonly floorArea: string | null;
}

/** A company that some island has named. */
export interface Company {
  readonly uscc: string;
  /** The name last read from the register. */
  readonly name: string | null;
  readonly nameSource: string | null;
  readonly nameFetchedAt: Date | null;
}

export interface Identifier {
  readonly system: string;
  readonly value: string;
  readonly installation: string;
  readonly connector: string;
  readonly lastSeen: Date;
}

export interface Source {
  readonly id: string;
  readonly system: string;
  readonly protocol: string;
  readonly park: string;
  readonly state: 'UP' | 'DEGRADED' | 'DOWN';
  readonly since: Date;
  readonly reason: string | null;
  readonly lastSuccess: Date | null;
  /** Milliseconds. */
  readonly lag: number | null;
  readonly errors: number;
  readonly breaker: 'CLOSED' | 'HALF_OPEN' | 'OPEN';
}

export interface Case {
  readonly id: string;
  readonly kind: string;
  readonly company: string;
  readonly state: string;
  readonly since: Date;
  readonly receipt: string | null;
  readonly reason: string | null;
  readonly installation: string;
  readonly connector: string;
  readonly recordedAt: Date;
}

/** One line of the event log. */
export interface LoggedEvent {
  readonly position: string;
  readonly id: string;
  readonly time: Date;
  readonly recordedAt: Date;
  readonly kind: string;
  readonly installation: string;
  readonly connector: string;
  readonly park: string;
  readonly company: string | null;
  readonly vehicle: string | null;
  readonly door: string | null;
  readonly badge: string | null;
  readonly lot: string | null;
  readonly meter: string | null;
  readonly caseId: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}
