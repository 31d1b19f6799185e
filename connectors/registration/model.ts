/** The company register's data in the hub's terms. */

export type RegistrationStatus =
  | 'ACTIVE'
  | 'PENDING'
  | 'SUSPENDED'
  | 'REVOKED'
  | 'DEREGISTERED'
  | 'MOVED_OUT'
  | 'UNKNOWN';

export interface Money {
  readonly value: string;
  readonly currency: string;
}

/** One entry of the register. */
export interface Entry {
  readonly uscc: string;
  readonly legalName: string | null;
  readonly status: RegistrationStatus;
  readonly legalRepresentative: string | null;
  readonly capital: Money | null;
  readonly scope: string | null;
  readonly address: string | null;
  /** Dates as YYYY-MM-DD. */
  readonly establishedOn: string | null;
  readonly approvedOn: string | null;
  /** When the register last changed the entry. */
  readonly changedAt: Date | null;
}

/** A page of the register. */
export interface EntryPage {
  readonly entries: readonly Entry[];
  /** Position and reason of rejected entries. */
  readonly refused: readonly string[];
  /** Position and deviation of accepted entries that do not conform to the standard. */
  readonly notes: readonly string[];
  /** Credit codes on this page as sent, including those of rejected entries. */
  readonly codes: readonly string[];
  /** Entries on all pages. */
  readonly total: number;
}

export type ApplicationState = 'SENT' | 'ACCEPTED' | 'REJECTED' | 'WITHDRAWN' | 'COMPLETED';

/** A submitted filing. */
export interface Application {
  /** The hub's id of the filing. */
  readonly reference: string;
  /** The register's number. */
  readonly number: string;
  readonly uscc: string;
  readonly state: ApplicationState;
  readonly reason: string | null;
  readonly since: Date;
}

/** Data to be entered in the register. */
export interface Filing {
  readonly uscc: string;
  readonly legalName: string;
  readonly legalRepresentative: string;
  readonly capital: Money;
  readonly scope: string;
  readonly address: string;
}

/** X-Road identifier of a subsystem. */
export interface Member {
  readonly instance: string;
  readonly memberClass: string;
  readonly memberCode: string;
  readonly subsystem: string;
}
