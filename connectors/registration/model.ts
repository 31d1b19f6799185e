/** What the company register knows, in our words. */

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
  /** Calendar days. */
  readonly establishedOn: string | null;
  readonly approvedOn: string | null;
  /** When the register last changed the entry. */
  readonly changedAt: Date | null;
}

/** A page of the register. */
export interface EntryPage {
  readonly entries: readonly Entry[];
  /** Where and why entries were left out. */
  readonly refused: readonly string[];
  /** Where and why an entry that was kept is not as the standard has it. */
  readonly notes: readonly string[];
  /** Codes on this page as they stand there, those left out included. */
  readonly codes: readonly string[];
  /** Entries on all pages. */
  readonly total: number;
}

export type ApplicationState = 'SENT' | 'ACCEPTED' | 'REJECTED' | 'WITHDRAWN' | 'COMPLETED';

/** A filing on its way. */
export interface Application {
  /** Our own id, under which it was sent. */
  readonly reference: string;
  /** The register's number. */
  readonly number: string;
  readonly uscc: string;
  readonly state: ApplicationState;
  readonly reason: string | null;
  readonly since: Date;
}

/** What to enter in the register. */
export interface Filing {
  readonly uscc: string;
  readonly legalName: string;
  readonly legalRepresentative: string;
  readonly capital: Money;
  readonly scope: string;
  readonly address: string;
}

/** Who asks or is asked on the bus (X-Road identifiers). */
export interface Member {
  readonly instance: string;
  readonly memberClass: string;
  readonly memberCode: string;
  readonly subsystem: string;
}
