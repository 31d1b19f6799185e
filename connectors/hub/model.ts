/** The model of the hub's own records. */

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

/** A company that at least one source has reported. */
export interface Company {
  readonly uscc: string;
  /** Name last read from the company register. */
  readonly name: string | null;
  readonly nameSource: string | null;
  /** Park of the installation `nameSource`; null if it is no longer in isthmus.yaml. */
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

/** A fact about a company as reported by one installation. */
export interface ReportedFact {
  /** Park of the installation; null if it is no longer in isthmus.yaml. */
  readonly park: string | null;
  readonly field: string;
  readonly value: string;
  readonly installation: string;
  readonly connector: string;
  readonly authority: boolean;
  readonly fetchedAt: Date;
  readonly recordedAt: Date | null;
}

/** A fact that installations report differently, with the value of each. */
export interface Conflict {
  readonly field: string;
  readonly values: readonly ReportedFact[];
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
  /** Park of the installation that filed it; null if it is no longer in isthmus.yaml. */
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

/** One row of the event log. */
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

/** Permission of a company for one client to use its data for one purpose. */
export interface Consent {
  readonly id: string;
  readonly company: string;
  readonly client: string;
  readonly purpose: string;
  readonly grantedAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
}

/** One access to a company's data, from the audit log. */
export interface Access {
  readonly chain: string;
  readonly number: number;
  readonly time: Date;
  /** Subjects, joined by commas if one response was sent to several callers. */
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
