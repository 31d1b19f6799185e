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
  /** Park of that installation; null when isthmus.yaml no longer names it. */
  readonly namePark: string | null;
  readonly nameFetchedAt: Date | null;
}

export interface Identifier {
  readonly park: string;
  readonly system: string;
  readonly value: string;
  readonly installation: string;
  readonly connector: string;
  readonly lastSeen: Date;
}

/** What one installation says of a company. */
export interface ToldFact {
  /** Of the installation; null when isthmus.yaml no longer names it. */
  readonly park: string | null;
  readonly field: string;
  readonly value: string;
  readonly installation: string;
  readonly connector: string;
  readonly authority: boolean;
  readonly fetchedAt: Date;
  readonly recordedAt: Date | null;
}

/** A fact on which installations disagree, with what each of them says. */
export interface Conflict {
  readonly field: string;
  readonly values: readonly ToldFact[];
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
  /** Of the installation that speaks with the authority; null when isthmus.yaml no longer names it. */
  readonly park: string | null;
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

/** A company lets one client use its data for one purpose. */
export interface Consent {
  readonly id: string;
  readonly company: string;
  readonly client: string;
  readonly purpose: string;
  readonly grantedAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
}

/** One access to a company's data, as the audit log tells it. */
export interface Access {
  readonly chain: string;
  readonly number: number;
  readonly time: Date;
  /** Names, joined where one answer went to several. */
  readonly subject: string;
  readonly client: string;
  readonly purpose: string | null;
  readonly legalBasis: string;
  readonly fields: readonly string[];
  readonly count: number;
  readonly outcome: string;
  /** Hexadecimal. */
  readonly hash: string;
}
