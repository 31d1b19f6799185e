/** Consents and the access log, as the graph shows them. */
import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { DateTime, USCC } from '../../../schema/graph/scalars.ts';
import { connectionType, edgeType } from '../../../schema/graph/shared.ts';
import { Company } from './types.ts';

@ObjectType({ description: 'A company lets one client use its data for one purpose.', simpleResolvers: true })
export class Consent {
  @Field(() => ID, { description: 'Of this consent.' }) id!: string;
  @Field(() => Company, { nullable: true, description: 'Who gave it.' }) company!: { uscc: string } | null;
  @Field(() => String, { description: 'Client id.' }) client!: string;
  @Field(() => String, { description: 'Such as tax.' }) purpose!: string;
  @Field(() => DateTime, { description: 'In force since.' }) grantedAt!: Date;
  @Field(() => DateTime, { nullable: true, description: 'Ends by itself then; null: never.' }) expiresAt!: Date | null;
  @Field(() => DateTime, { nullable: true, description: 'Ended by the company then; null: it was not.' })
  revokedAt!: Date | null;
}

@InputType({ description: "Which client may use the company's data for what." })
export class GrantConsentInput {
  @Field(() => ID, { description: 'The same id again gets the same answer.' }) clientMutationId!: string;
  @Field(() => USCC, { description: 'Which company; the caller must act for it.' }) uscc!: string;
  @Field(() => String, { description: 'Client id, as in its tokens.' }) client!: string;
  @Field(() => String, { description: 'Such as tax: lower-case letters, digits and hyphens.' }) purpose!: string;
  @Field(() => DateTime, { nullable: true, description: 'When it ends by itself; absent: never.' })
  expiresAt?: Date | null;
}

@InputType({ description: 'Which consent to end.' })
export class RevokeConsentInput {
  @Field(() => ID, { description: 'The same id again gets the same answer.' }) clientMutationId!: string;
  @Field(() => ID, { description: 'Id of the consent.' }) consent!: string;
}

@ObjectType({ description: 'The consent now in force.', simpleResolvers: true })
export class GrantConsentPayload {
  @Field(() => ID, { description: 'As given.' }) clientMutationId!: string;
  @Field(() => Consent, { description: 'As it stands now.' }) consent!: Consent;
}

@ObjectType({ description: 'The consent, ended.', simpleResolvers: true })
export class RevokeConsentPayload {
  @Field(() => ID, { description: 'As given.' }) clientMutationId!: string;
  @Field(() => Consent, { description: 'As it stands now.' }) consent!: Consent;
}

export enum AccessLogOutcome {
  ALLOWED = 'ALLOWED',
  MASKED = 'MASKED',
  REFUSED = 'REFUSED',
}
registerEnumType(AccessLogOutcome, {
  name: 'AccessLogOutcome',
  description: 'How a reading ended.',
  valuesConfig: {
    ALLOWED: { description: 'The values were shown.' },
    MASKED: { description: 'Masked values were shown in their place.' },
    REFUSED: { description: 'Nothing was shown.' },
  },
});

@ObjectType({ description: 'One reading of protected data.', simpleResolvers: true })
export class AccessLogEntry {
  @Field(() => ID, { description: 'Chain and number in the audit log.' }) id!: string;
  @Field(() => DateTime, { description: 'When.' }) time!: Date;
  @Field(() => String, { description: 'Who read, as its token names it; several where one answer went to several.' })
  subject!: string;
  @Field(() => String, { description: 'By which client.' }) client!: string;
  @Field(() => String, { nullable: true, description: 'Why; null when nobody said.' }) purpose!: string | null;
  @Field(() => String, {
    nullable: true,
    description: 'On what ground: own, consent:PURPOSE or role:NAME; none when it was refused.',
  })
  legalBasis!: string | null;
  @Field(() => [String], { description: 'Coordinates of the graph, such as TaxAccount.standing.' })
  fields!: readonly string[];
  @Field(() => Int, { description: 'How many entities were read at once, of this company and others.' })
  count!: number;
  @Field(() => AccessLogOutcome, { description: 'How it ended.' }) outcome!: string;
  @Field(() => String, { description: 'Link in the audit chain.' }) hash!: string;
}

export const AccessLogEdge = edgeType('AccessLogEdge', 'An entry and its place.', () => AccessLogEntry);
export const AccessLogConnection = connectionType(
  'AccessLogConnection',
  'A page of the access log.',
  () => AccessLogEntry,
  AccessLogEdge,
  { provenance: false },
);
