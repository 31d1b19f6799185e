/** Types of the door system's part of the graph. */
import { Directive, Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { key, requiresScopes } from '../../../schema/graph/directives.ts';
import { DateTime, USCC } from '../../../schema/graph/scalars.ts';
import { connectionType, edgeType, Provenance } from '../../../schema/graph/shared.ts';
import type { ProvenanceObject, Sourced } from '../../kit/provenance.ts';
import type * as model from '../model.ts';
import type { AccessSource } from '../source/index.ts';

export const READ = requiresScopes('access:read');
/** A door's log contains people of all companies. */
export const READ_LOG = requiresScopes('access:read', 'access:log');
/** For everything that identifies a person or badge, on every path to it: combined with a door's times it shows who was where. */
export const READ_PERSONS = requiresScopes('access:persons');
export const READ_BADGES = requiresScopes('access:read', 'access:persons');

export enum AccessOutcome {
  GRANTED = 'GRANTED',
  DENIED = 'DENIED',
}
registerEnumType(AccessOutcome, {
  name: 'AccessOutcome',
  description: 'Whether the door opened.',
  valuesConfig: { GRANTED: { description: 'Access granted.' }, DENIED: { description: 'Access denied.' } },
});

@Directive(key('id'))
@ObjectType({ description: 'A building of a park.' })
export class Building {
  @Field(() => ID, { description: 'Id in isthmus.yaml.' }) id!: string;
}

@Directive(key('uscc'))
@ObjectType({ description: 'A company, identified by its credit code (USCC). Each source adds its own fields.' })
export class Company {
  @Field(() => USCC, { description: 'Credit code (USCC), the key that joins the sources.' }) uscc!: string;
}

@Directive(READ_PERSONS)
@ObjectType({ description: 'A person in the door system, without biometric data.' })
export class Person implements Pick<model.Person, 'id' | 'name'> {
  @Field(() => ID, { description: 'Opaque id: a keyed hash.' }) id!: string;
  @Field(() => String, { nullable: true, description: 'Null if masked.' }) name!: string | null;
  @Field(() => String, {
    nullable: true,
    description: 'Name with all characters but the first masked; null if the door system has no name.',
  })
  nameMasked!: string | null;
  @Field(() => Company, { nullable: true, description: "The person's company; null if unknown." })
  company!: Company | null;
  @Field(() => Provenance, { description: 'Source and age of the data.' }) provenance!: ProvenanceObject;
}

@Directive(READ_BADGES)
@Directive(key('id'))
@ObjectType({ description: 'A card, phone or code that opens doors.' })
export class Badge implements Pick<model.Badge, 'id' | 'active'> {
  @Field(() => ID, { description: 'Opaque id. The card number is never exposed.' }) id!: string;
  @Field(() => Company, { nullable: true, description: "The holder's company; null if unknown." })
  company!: Company | null;
  @Field(() => Boolean, { nullable: true, description: 'Whether the badge opens doors: neither lost nor blocked.' })
  active!: boolean;
  @Field(() => Provenance, { nullable: true, description: 'Source and age of the data.' })
  provenance!: ProvenanceObject;
  number!: string;
  record!: Sourced<model.Badge>;
  source!: AccessSource;
}

@Directive(key('id'))
@ObjectType({ description: 'A door, gate or turnstile.' })
export class Door implements Pick<model.Door, 'id' | 'name'> {
  @Field(() => ID, { description: 'Opaque id.' }) id!: string;
  @Field(() => String, { nullable: true, description: 'Name in the door system.' }) name!: string;
  @Field(() => Building, { nullable: true, description: "Null if the door's area is not assigned to a building." })
  building!: Building | null;
  @Field(() => Provenance, { nullable: true, description: 'Source and age of the data.' })
  provenance!: ProvenanceObject;
  number!: string;
  source!: AccessSource;
}

@ObjectType({ description: "An access attempt from the door system's log." })
export class AccessEvent implements Pick<model.AccessAttempt, 'id' | 'time' | 'reason'> {
  @Field(() => ID, { description: 'Stable id of the log line.' }) id!: string;
  @Field(() => DateTime, { description: "Time by the door controller's clock." }) time!: Date;
  @Field(() => AccessOutcome, { description: 'Whether the door opened.' }) outcome!: AccessOutcome;
  @Field(() => String, {
    nullable: true,
    description: 'Reason of the denial; null if access was granted.',
  })
  reason!: string | null;
  @Field(() => Provenance, { description: 'Source and age of the data.' }) provenance!: ProvenanceObject;
  doorId!: string | null;
  badgeId!: string | null;
  /** Company of the badge holder; null when unknown. */
  company!: string | null;
}

@ObjectType({ description: 'The people who are inside now.' })
export class Presence {
  @Field(() => Int, {
    nullable: true,
    description:
      'Null if withheld: fewer than five people, and the caller lacks access:persons. See `provenance.masked`.',
  })
  peopleInside!: number | null;
  @Field(() => Provenance, { description: 'Source and age of the data.' }) provenance!: ProvenanceObject;
  /** Scope of the list's cursors. */
  cursorScope!: string;
  occupants!: readonly Sourced<readonly model.Occupant[]>[];
}

export const AccessEventEdge = edgeType('AccessEventEdge', 'An access attempt and its cursor.', () => AccessEvent);
export const AccessEventConnection = connectionType(
  'AccessEventConnection',
  'A page of access attempts.',
  () => AccessEvent,
  AccessEventEdge,
  { provenance: true },
);
export const BadgeEdge = edgeType('BadgeEdge', 'A badge and its cursor.', () => Badge);
export const BadgeConnection = connectionType('BadgeConnection', 'A page of badges.', () => Badge, BadgeEdge, {
  provenance: true,
});
export const PersonEdge = edgeType('PersonEdge', 'A person and its cursor.', () => Person);
export const PersonConnection = connectionType('PersonConnection', 'A page of people.', () => Person, PersonEdge, {
  provenance: false,
});
