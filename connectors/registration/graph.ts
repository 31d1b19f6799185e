/** Registration's part of the graph. */
import {
  Arg,
  Ctx,
  Directive,
  Field,
  FieldResolver,
  ID,
  InputType,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import { key, requiresScopes } from '../../schema/graph/directives.ts';
import { CalendarDate, USCC } from '../../schema/graph/scalars.ts';
import { Money, MoneyInput, Provenance } from '../../schema/graph/shared.ts';
import { unmasked } from '../kit/auth/principal.ts';
import type { Graph, GraphContext, Installed, Known } from '../kit/connector.ts';
import { badInput } from '../kit/errors.ts';
import { maskName } from '../kit/identifiers.ts';
import { provenance } from '../kit/provenance.ts';
import { PART } from '../kit/row-rights.ts';
import type { Application, Entry } from './model.ts';
import type { RegistrationRequest } from './source/index.ts';

type Context = GraphContext<RegistrationRequest>;

export enum RegistrationStatus {
  ACTIVE = 'ACTIVE',
  PENDING = 'PENDING',
  SUSPENDED = 'SUSPENDED',
  REVOKED = 'REVOKED',
  DEREGISTERED = 'DEREGISTERED',
  MOVED_OUT = 'MOVED_OUT',
  UNKNOWN = 'UNKNOWN',
}
registerEnumType(RegistrationStatus, {
  name: 'RegistrationStatus',
  description: 'Standing in the register.',
  valuesConfig: {
    ACTIVE: { description: 'In business.' },
    PENDING: { description: 'Being founded.' },
    SUSPENDED: { description: 'Business is suspended.' },
    REVOKED: { description: 'The licence was revoked.' },
    DEREGISTERED: { description: 'Struck off.' },
    MOVED_OUT: { description: 'Entered in another register now.' },
    UNKNOWN: { description: 'The register uses a word that we do not know.' },
  },
});

@ObjectType({ description: 'What the company register says.', simpleResolvers: true })
class Registration {
  @Field(() => String, { nullable: true, description: 'The name, by its authority.' }) legalName!: string | null;
  @Field(() => RegistrationStatus, { description: 'Standing in the register.' }) status!: string;
  @Field(() => String, { nullable: true, description: 'Null when masked.' }) legalRepresentative!: string | null;
  @Field(() => String, { nullable: true, description: 'Such as 张*.' }) legalRepresentativeMasked!: string | null;
  @Field(() => Money, { nullable: true, description: 'Registered capital.' }) capital!: Money | null;
  @Field(() => String, { nullable: true, description: 'Permitted business.' }) scope!: string | null;
  @Field(() => String, { nullable: true, description: 'Seat.' }) address!: string | null;
  @Field(() => CalendarDate, { nullable: true, description: 'Day of foundation.' }) establishedOn!: string | null;
  @Field(() => CalendarDate, { nullable: true, description: 'Last change in the register.' }) approvedOn!:
    | string
    | null;
  @Field(() => Provenance, { description: 'Of this reading.' }) provenance!: Provenance;
}

@Directive(key('uscc'))
@ObjectType({
  description: 'A company, known by its credit code; each island adds what it knows.',
  simpleResolvers: true,
})
class Company {
  @Field(() => USCC, { description: 'The key that joins the islands.' }) uscc!: string;
}

@Directive(key('id', false))
@ObjectType({
  description:
    'Something filed with an authority for a company, and how far it has come. Follows the CaseChanged events.',
  simpleResolvers: true,
})
class Case {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
}

@InputType({ description: 'What to enter in the register.' })
class SubmitRegistrationInput {
  @Field(() => ID, { description: 'The same id again gets the same answer.' }) clientMutationId!: string;
  @Field(() => ID, { description: 'Id of the register in isthmus.yaml.' }) installation!: string;
  @Field(() => USCC, { description: 'Which company.' }) uscc!: string;
  @Field(() => String, { description: 'Its name.' }) legalName!: string;
  @Field(() => String, { description: 'Who represents it.' }) legalRepresentative!: string;
  @Field(() => MoneyInput, { description: 'Registered capital.' }) capital!: MoneyInput;
  @Field(() => String, { description: 'Permitted business.' }) scope!: string;
  @Field(() => String, { description: 'Seat.' }) address!: string;
}

@InputType({ description: 'Which filing to take back.' })
class WithdrawRegistrationInput {
  @Field(() => ID, { description: 'The same id again gets the same answer.' }) clientMutationId!: string;
  @Field(() => ID, { description: 'Which case.' }) case!: string;
}

@ObjectType({ description: "What the register's system confirmed.", simpleResolvers: true })
class SubmitRegistrationPayload {
  @Field(() => ID, { description: 'As given.' }) clientMutationId!: string;
  @Field(() => String, { nullable: true, description: "The register's number." }) receipt!: string | null;
  @Field(() => Case, { nullable: true, description: 'The case from now on.' }) case!: Case | null;
  @Field(() => Provenance, { description: 'Of the confirmation.' }) provenance!: Provenance;
}

@ObjectType({ description: "What the register's system confirmed.", simpleResolvers: true })
class WithdrawRegistrationPayload {
  @Field(() => ID, { description: 'As given.' }) clientMutationId!: string;
  @Field(() => String, { nullable: true, description: "The register's number." }) receipt!: string | null;
  @Field(() => Case, { nullable: true, description: 'The case from now on.' }) case!: Case | null;
  @Field(() => Provenance, { description: 'Of the confirmation.' }) provenance!: Provenance;
}

/** Every register is asked; the one that knows the company and was read last answers. A fault counts only when no other knows it. */
async function entryOf(uscc: string, context: Context): Promise<Known<Entry> | null> {
  const all = await Promise.allSettled(context.installations.all().map((one) => one.source.entry(uscc)));
  const known = all.flatMap((one) =>
    one.status === 'fulfilled' && one.value.value ? [{ ...one.value, value: one.value.value }] : [],
  );
  const [best] = known.sort((a, b) => b.facts.fetchedAt.getTime() - a.facts.fetchedAt.getTime());
  if (best) return best;
  const fault = all.find((one) => one.status === 'rejected');
  if (fault) throw fault.reason;
  return null;
}

function show({ value, facts }: Known<Entry>, context: Context) {
  const open = unmasked(context.principal, 'Registration.legalRepresentative');
  const name = value.legalRepresentative;
  return {
    ...value,
    legalRepresentative: open ? name : null,
    legalRepresentativeMasked: name === null ? null : maskName(name),
    provenance: provenance(facts, context.clock, { masked: open || name === null ? [] : ['legalRepresentative'] }),
  };
}

function confirmed(
  clientMutationId: string,
  at: Installed<RegistrationRequest>,
  { value, facts }: Known<Application>,
  context: Context,
) {
  return {
    clientMutationId,
    receipt: value.number,
    case: { id: `${at.id}:${value.number}` },
    provenance: provenance({ ...facts, recordedAt: value.since }, context.clock),
  };
}

@Resolver(() => Company)
class CompanyResolver {
  @Directive(requiresScopes('registration:read'))
  @Query(() => Company, {
    nullable: true,
    description: 'registration: asks the register itself, also about companies no island has named.',
  })
  async registeredCompany(
    @Arg('uscc', () => USCC, { description: 'Credit code.' }) uscc: string,
    @Ctx() context: Context,
  ) {
    // A row that would not be shown is not asked for either.
    const found = (await context.rows.sees({ company: uscc })) ? await entryOf(uscc, context) : null;
    return found && { uscc: found.value.uscc };
  }

  @Directive(requiresScopes('registration:read'))
  @FieldResolver(() => Registration, { nullable: true, description: 'registration' })
  async registration(@Root() company: { uscc: string }, @Ctx() context: Context) {
    const found = await entryOf(company.uscc, context);
    return found && show(found, context);
  }

  @Directive(requiresScopes('registration:file'))
  @Mutation(() => SubmitRegistrationPayload, { nullable: true, description: 'registration' })
  async submitRegistration(
    @Arg('input', () => SubmitRegistrationInput, { description: 'What to enter.' }) input: SubmitRegistrationInput,
    @Ctx() context: Context,
  ) {
    const at = context.installations.byId(input.installation);
    if (!at)
      throw badInput(
        `installation must be one of ${context.installations
          .all()
          .map((one) => one.id)
          .join(', ')}.`,
      );
    const { clientMutationId, installation: _, ...filing } = input;
    return confirmed(clientMutationId, at, await at.source.submit(clientMutationId, filing), context);
  }

  @Directive(requiresScopes('registration:file'))
  @Mutation(() => WithdrawRegistrationPayload, { nullable: true, description: 'registration' })
  async withdrawRegistration(
    @Arg('input', () => WithdrawRegistrationInput, { description: 'What to take back.' })
    input: WithdrawRegistrationInput,
    @Ctx() context: Context,
  ) {
    const at = context.installations.owner(input.case);
    if (!at) throw badInput('case is no filing with a register of this hub.');
    return confirmed(input.clientMutationId, at, await at.source.withdraw(input.clientMutationId, at.local), context);
  }
}

export const graph: Graph = {
  resolvers: [CompanyResolver],
  types: [Company, Registration, Case],
  rows: {
    Company: ({ uscc }: Company) => ({ company: uscc }),
    Case: ({ id }: Case, { parks }) => ({ park: parks.ofRecord(id) }),
    Registration: PART,
    SubmitRegistrationPayload: PART,
    WithdrawRegistrationPayload: PART,
  },
};
