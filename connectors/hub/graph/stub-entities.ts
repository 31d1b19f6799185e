/** Entities that islands own: the hub knows their keys, and answers nothing else of them. */
import { Directive, Field, ID, ObjectType } from 'type-graphql';
import { key, requiresScopes } from '../../../schema/graph/directives.ts';

@Directive(key('id', false))
@ObjectType({ description: 'A door, gate or turnstile.', simpleResolvers: true })
export class Door {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
}

@Directive(requiresScopes('access:read', 'access:persons'))
@Directive(key('id', false))
@ObjectType({ description: 'A card, phone or code that opens doors.', simpleResolvers: true })
export class Badge {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
}

@Directive(requiresScopes('parking:read'))
@Directive(key('id', false))
@ObjectType({
  description: 'A vehicle: plate and colour. The right stands on the type, since events hand vehicles out too.',
  simpleResolvers: true,
})
export class Vehicle {
  @Field(() => ID, { description: 'Keyed hash of plate and colour; opaque.' }) id!: string;
}

@Directive(key('id', false))
@ObjectType({ description: 'A car park.', simpleResolvers: true })
export class ParkingLot {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
}

@Directive(requiresScopes('energy:read'))
@Directive(key('id', false))
@ObjectType({ description: 'A meter.', simpleResolvers: true })
export class Meter {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
}
