/** The door system's part of the graph: what its types look like. */
import { Directive, Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { key, requiresScopes } from '../../../schema/graph/directives.ts';
import { DateTime, USCC } from '../../../schema/graph/scalars.ts';
import { connectionType, edgeType, Provenance } from '../../../schema/graph/shared.ts';
import type { Known, ShownProvenance } from '../../kit/provenance.ts';
import type * as model from '../model.ts';
import type { AccessSource } from '../source/index.ts';

export const READ = requiresScopes('access:read');
/** A door's log is of everybody who passed. */
export const LOG = requiresScopes('access:read', 'access:log');
/** Whatever names a person or a badge, by whichever way it is reached: with the times of a door it tells who was where. */
export const PERSONS = requiresScopes('access:persons');
export const BADGES = requiresScopes('access:read', 'access:persons');

export enum AccessOutcome {
  GRANTED = 'GRANTED',
  DENIED = 'DENIED',
}
registerEnumType(AccessOutcome, {
  name: 'AccessOutcome',
  description: 'Whether the door opened.',
  valuesConfig: { GRANTED: { description: 'It opened.' }, DENIED: { description: 'It stayed shut.' } },
});

@Directive(key('id'))
@ObjectType({ description: 'A building of a park.' })
export class Building {
  @Field(() => ID, { description: "The park's own id." }) id!: string;
}

@Directive(key('uscc'))
@ObjectType({ description: 'A company, known by its credit code; each island adds what it knows.' })
export class Company {
  @Field(() => USCC, { description: 'Its credit code.' }) uscc!: string;
}

@Directive(PERSONS)
@ObjectType({ description: 'A person as the doors know them; never any biometrics.' })
export class Person implements Pick<model.Person, 'id' | 'name'> {
  @Field(() => ID, { description: 'Keyed hash; opaque.' }) id!: string;
  @Field(() => String, { nullable: true, description: 'Null when masked.' }) name!: string | null;
  @Field(() => String, { nullable: true, description: 'The first character stays; null when the doors know no name.' })
  nameMasked!: string | null;
  @Field(() => Company, { nullable: true, description: 'Whose badge they hold; null when the doors do not know.' })
  company!: Company | null;
  @Field(() => Provenance, { description: 'Where this comes from.' }) provenance!: ShownProvenance;
}

@Directive(BADGES)
@Directive(key('id'))
@ObjectType({ description: 'A card, phone or code that opens doors.' })
export class Badge implements Pick<model.Badge, 'id' | 'active'> {
  @Field(() => ID, { description: 'Opaque; the number of the card is never shown.' }) id!: string;
  @Field(() => Company, { nullable: true, description: "The holder's company; null when the doors do not know." })
  company!: Company | null;
  @Field(() => Boolean, { nullable: true, description: 'Opens doors today: neither lost nor stopped.' })
  active!: boolean;
  @Field(() => Provenance, { nullable: true, description: 'Where this comes from.' }) provenance!: ShownProvenance;
  number!: string;
  known!: Known<model.Badge>;
  source!: AccessSource;
}

@Directive(key('id'))
@ObjectType({ description: 'A door, gate or turnstile.' })
export class Door implements Pick<model.Door, 'id' | 'name'> {
  @Field(() => ID, { description: 'Opaque.' }) id!: string;
  @Field(() => String, { nullable: true, description: 'As the door system calls it.' }) name!: string;
  @Field(() => Building, { nullable: true, description: 'Null when the park does not know its area.' })
  building!: Building | null;
  @Field(() => Provenance, { nullable: true, description: 'Where this comes from.' }) provenance!: ShownProvenance;
  number!: string;
  source!: AccessSource;
}

@ObjectType({ description: "One line of the door system's own log." })
export class AccessEvent implements Pick<model.Passage, 'id' | 'time' | 'reason'> {
  @Field(() => ID, { description: 'The same line always has the same id.' }) id!: string;
  @Field(() => DateTime, { description: "By the door controller's clock." }) time!: Date;
  @Field(() => AccessOutcome, { description: 'Whether the door opened.' }) outcome!: AccessOutcome;
  @Field(() => String, {
    nullable: true,
    description: 'As told by the door system, in our words. Null when it opened.',
  })
  reason!: string | null;
  @Field(() => Provenance, { description: 'Where this comes from.' }) provenance!: ShownProvenance;
  doorId!: string | null;
  badgeId!: string | null;
  /** Company whose badge it was; null when that is not known here. */
  company!: string | null;
}

@ObjectType({ description: 'Who is inside now.' })
export class Presence {
  @Field(() => Int, {
    nullable: true,
    description: 'Null when withheld: fewer than five, without the right to see persons.',
  })
  peopleInside!: number | null;
  @Field(() => Provenance, { description: 'Where this comes from.' }) provenance!: ShownProvenance;
  /** Names the list, for cursors. */
  list!: string;
  seen!: readonly Known<readonly model.Sighting[]>[];
}

export const AccessEventEdge = edgeType('AccessEventEdge', 'A line and its place.', () => AccessEvent);
export const AccessEventConnection = connectionType(
  'AccessEventConnection',
  "A page of the door's log.",
  () => AccessEvent,
  AccessEventEdge,
  { provenance: true },
);
export const BadgeEdge = edgeType('BadgeEdge', 'A badge and its place.', () => Badge);
export const BadgeConnection = connectionType('BadgeConnection', 'A page of badges.', () => Badge, BadgeEdge, {
  provenance: true,
});
export const PersonEdge = edgeType('PersonEdge', 'A person and their place.', () => Person);
export const PersonConnection = connectionType('PersonConnection', 'A page of persons.', () => Person, PersonEdge, {
  provenance: false,
});
