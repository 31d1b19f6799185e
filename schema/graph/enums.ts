/** Enums of the graph that several subgraphs or the data of events use. */

export enum DoorState {
  CLOSED = 'CLOSED',
  OPEN = 'OPEN',
  FORCED = 'FORCED',
  HELD_OPEN = 'HELD_OPEN',
  LOCKED = 'LOCKED',
  FAULT = 'FAULT',
  UNKNOWN = 'UNKNOWN',
}

export enum ReadingQuality {
  GOOD = 'GOOD',
  ESTIMATED = 'ESTIMATED',
  SUSPECT = 'SUSPECT',
  MISSING = 'MISSING',
}

export enum SourceState {
  UP = 'UP',
  DEGRADED = 'DEGRADED',
  DOWN = 'DOWN',
}

export enum CaseKind {
  REGISTRATION = 'REGISTRATION',
  TAX_CLEARANCE = 'TAX_CLEARANCE',
}

export enum CaseState {
  SENT = 'SENT',
  ACCEPTED = 'ACCEPTED',
  REJECTED = 'REJECTED',
  WITHDRAWN = 'WITHDRAWN',
  COMPLETED = 'COMPLETED',
}

export enum RecordChange {
  NEW = 'NEW',
  CHANGED = 'CHANGED',
  GONE = 'GONE',
}
