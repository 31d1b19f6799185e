/** GraphQL types of consents and the access log. */
import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { DateTime, USCC } from '../../../schema/graph/scalars.ts';
import { connectionType, edgeType } from '../../../schema/graph/shared.ts';
import { Company } from './types.ts';

@ObjectType({
  description: 'Permission of a company for one client to use its data for one purpose.',
  simpleResolvers: true,
})
export class Consent {
  @Field(() => ID, { description: 'Id of the consent.' }) id!: string;
  @Field(() => Company, { nullable: true, description: 'The company that granted it.' }) company!: {
    uscc: string;
  } | null;
  @Field(() => String, { description: 'Client id.' }) client!: string;
  @Field(() => String, { description: 'Purpose, such as tax.' }) purpose!: string;
  @Field(() => DateTime, { description: 'Time of the grant.' }) grantedAt!: Date;
  @Field(() => DateTime, { nullable: true, description: 'Expiry; null for none.' }) expiresAt!: Date | null;
  @Field(() => DateTime, { nullable: true, description: 'Time at which the company revoked it; null if it did not.' })
  revokedAt!: Date | null;
}

@InputType({ description: 'The consent to grant.' })
export class GrantConsentInput {
  @Field(() => ID, { description: 'Repeating a request with the same id returns the first result.' })
  clientMutationId!: string;
  @Field(() => USCC, { description: 'The company; the caller must act for it.' }) uscc!: string;
  @Field(() => String, { description: 'Client id, as in the tokens of the client.' }) client!: string;
  @Field(() => String, { description: 'Purpose, such as tax: lower-case letters, digits and hyphens.' })
  purpose!: string;
  @Field(() => DateTime, { nullable: true, description: 'Expiry; absent for none.' })
  expiresAt?: Date | null;
}

@InputType({ description: 'The consent to revoke.' })
export class RevokeConsentInput {
  @Field(() => ID, { description: 'Repeating a request with the same id returns the first result.' })
  clientMutationId!: string;
  @Field(() => ID, { description: 'Id of the consent.' }) consent!: string;
}

@ObjectType({ description: 'The granted consent.', simpleResolvers: true })
export class GrantConsentPayload {
  @Field(() => ID, { description: 'The id from the input.' }) clientMutationId!: string;
  @Field(() => Consent, { description: 'The consent after the change.' }) consent!: Consent;
}

@ObjectType({ description: 'The revoked consent.', simpleResolvers: true })
export class RevokeConsentPayload {
  @Field(() => ID, { description: 'The id from the input.' }) clientMutationId!: string;
  @Field(() => Consent, { description: 'The consent after the change.' }) consent!: Consent;
}

export enum AccessLogOutcome {
  ALLOWED = 'ALLOWED',
  MASKED = 'MASKED',
  REFUSED = 'REFUSED',
}
registerEnumType(AccessLogOutcome, {
  name: 'AccessLogOutcome',
  description: 'Outcome of an access.',
  valuesConfig: {
    ALLOWED: { description: 'The values were returned.' },
    MASKED: { description: 'Masked values were returned.' },
    REFUSED: { description: 'No values were returned.' },
  },
});

@ObjectType({ description: 'One access to protected data.', simpleResolvers: true })
export class AccessLogEntry {
  @Field(() => ID, { description: 'Chain and number in the audit log.' }) id!: string;
  @Field(() => DateTime, { description: 'Time of the access.' }) time!: Date;
  @Field(() => String, { description: 'Subject of the token; several if one response was sent to several callers.' })
  subject!: string;
  @Field(() => String, { description: 'Client id.' }) client!: string;
  @Field(() => String, { nullable: true, description: 'Purpose stated by the client; null if none was stated.' })
  purpose!: string | null;
  @Field(() => String, {
    nullable: true,
    description: 'Legal basis: own, consent:PURPOSE or role:NAME; none if the access was rejected.',
  })
  legalBasis!: string | null;
  @Field(() => [String], { description: 'Schema coordinates of the fields, such as TaxAccount.standing.' })
  fields!: readonly string[];
  @Field(() => Int, { description: 'Number of entities read by the operation, of this company and others.' })
  count!: number;
  @Field(() => AccessLogOutcome, { description: 'Outcome.' }) outcome!: string;
  @Field(() => String, { description: 'Hash of the entry in the audit chain.' }) hash!: string;
}

export const AccessLogEdge = edgeType('AccessLogEdge', 'An entry with its cursor.', () => AccessLogEntry);
export const AccessLogConnection = connectionType(
  'AccessLogConnection',
  'A page of the access log.',
  () => AccessLogEntry,
  AccessLogEdge,
  { provenance: false },
);
