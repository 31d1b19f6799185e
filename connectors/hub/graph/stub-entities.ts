/** Entities of other subgraphs that events name: the hub defines only their keys. */
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
  description:
    'A vehicle, identified by plate and colour. The type itself requires a scope, because events return vehicles too.',
  simpleResolvers: true,
})
export class Vehicle {
  @Field(() => ID, { description: 'Opaque id: a keyed hash of plate and colour.' }) id!: string;
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
