/** Types and resolvers of the registration part of the graph. */
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
import { maskName } from '../../schema/graph/identifiers.ts';
import { CalendarDate, USCC } from '../../schema/graph/scalars.ts';
import { Money, MoneyInput, Provenance } from '../../schema/graph/shared.ts';
import { mayUnmask } from '../kit/auth/principal.ts';
import { PART } from '../kit/auth/row-rights.ts';
import type { Graph, GraphContext, InstallationHandle, Sourced } from '../kit/connector.ts';
import { badInput } from '../kit/errors.ts';
import { provenance } from '../kit/provenance.ts';
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
  description: 'Status in the register.',
  valuesConfig: {
    ACTIVE: { description: 'In business.' },
    PENDING: { description: 'Registration in progress.' },
    SUSPENDED: { description: 'Business suspended.' },
    REVOKED: { description: 'Licence revoked.' },
    DEREGISTERED: { description: 'Deregistered.' },
    MOVED_OUT: { description: 'Moved to another register.' },
    UNKNOWN: { description: 'The register uses a status that the hub does not know.' },
  },
});

@ObjectType({ description: 'The entry of a company in the company register.', simpleResolvers: true })
class Registration {
  @Field(() => String, { nullable: true, description: 'Legal name.' }) legalName!: string | null;
  @Field(() => RegistrationStatus, { description: 'Status in the register.' }) status!: string;
  @Field(() => String, { nullable: true, description: 'Null if masked.' }) legalRepresentative!: string | null;
  @Field(() => String, { nullable: true, description: 'Masked name, such as 张*.' }) legalRepresentativeMasked!:
    | string
    | null;
  @Field(() => Money, { nullable: true, description: 'Registered capital.' }) capital!: Money | null;
  @Field(() => String, { nullable: true, description: 'Permitted business.' }) scope!: string | null;
  @Field(() => String, { nullable: true, description: 'Registered address.' }) address!: string | null;
  @Field(() => CalendarDate, { nullable: true, description: 'Date of establishment.' }) establishedOn!: string | null;
  @Field(() => CalendarDate, { nullable: true, description: 'Date of the last approved change.' }) approvedOn!:
    | string
    | null;
  @Field(() => Provenance, { description: 'Source and age of the entry.' }) provenance!: Provenance;
}

@Directive(key('uscc'))
@ObjectType({
  description: 'A company, identified by its credit code (USCC). Each source adds its own fields.',
  simpleResolvers: true,
})
class Company {
  @Field(() => USCC, { description: 'Credit code (USCC), the key that joins the sources.' }) uscc!: string;
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

@InputType({ description: 'Data to be entered in the register.' })
class SubmitRegistrationInput {
  @Field(() => ID, { description: 'Idempotency key: a repeated id returns the first response.' })
  clientMutationId!: string;
  @Field(() => ID, { description: 'Id of the register in isthmus.yaml.' }) installation!: string;
  @Field(() => USCC, { description: 'Credit code of the company.' }) uscc!: string;
  @Field(() => String, { description: 'Legal name.' }) legalName!: string;
  @Field(() => String, { description: 'Legal representative.' }) legalRepresentative!: string;
  @Field(() => MoneyInput, { description: 'Registered capital.' }) capital!: MoneyInput;
  @Field(() => String, { description: 'Permitted business.' }) scope!: string;
  @Field(() => String, { description: 'Registered address.' }) address!: string;
}

@InputType({ description: 'The filing to withdraw.' })
class WithdrawRegistrationInput {
  @Field(() => ID, { description: 'Idempotency key: a repeated id returns the first response.' })
  clientMutationId!: string;
  @Field(() => ID, { description: 'Id of the case.' }) case!: string;
}

@ObjectType({ description: "The register's confirmation.", simpleResolvers: true })
class SubmitRegistrationPayload {
  @Field(() => ID, { description: 'As given.' }) clientMutationId!: string;
  @Field(() => String, { nullable: true, description: "The register's application number." }) receipt!: string | null;
  @Field(() => Case, { nullable: true, description: 'The case of the filing.' }) case!: Case | null;
  @Field(() => Provenance, { description: 'Source and age of the confirmation.' }) provenance!: Provenance;
}

@ObjectType({ description: "The register's confirmation.", simpleResolvers: true })
class WithdrawRegistrationPayload {
  @Field(() => ID, { description: 'As given.' }) clientMutationId!: string;
  @Field(() => String, { nullable: true, description: "The register's application number." }) receipt!: string | null;
  @Field(() => Case, { nullable: true, description: 'The case of the filing.' }) case!: Case | null;
  @Field(() => Provenance, { description: 'Source and age of the confirmation.' }) provenance!: Provenance;
}

type Register = InstallationHandle<RegistrationRequest>;

/**
 * Queries the registers that have listed the company, the others only if none of these returns an entry. Returns the most recently read
 * one. Throws an error of a register only when none has an entry.
 */
async function newestEntry(uscc: string, context: Context): Promise<Sourced<Entry> | null> {
  const { asked, others } = await context.installations.knowing('COMPANY', uscc);
  let failure: unknown;
  for (const registers of [asked, others]) {
    try {
      const found = await entryOf(uscc, registers);
      if (found) return found;
    } catch (error) {
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
  return null;
}

async function entryOf(uscc: string, registers: readonly Register[]): Promise<Sourced<Entry> | null> {
  const results = await Promise.allSettled(registers.map(({ source }) => source.entry(uscc)));
  const entries = results.flatMap((result) =>
    result.status === 'fulfilled' && result.value.value ? [{ ...result.value, value: result.value.value }] : [],
  );
  const [newest] = entries.sort((a, b) => b.facts.fetchedAt.getTime() - a.facts.fetchedAt.getTime());
  if (newest) return newest;
  const failure = results.find((result) => result.status === 'rejected');
  if (failure) throw failure.reason;
  return null;
}

function presentEntry({ value, facts }: Sourced<Entry>, context: Context) {
  const open = mayUnmask(context.principal, 'Registration.legalRepresentative');
  const name = value.legalRepresentative;
  return {
    ...value,
    legalRepresentative: open ? name : null,
    legalRepresentativeMasked: name === null ? null : maskName(name),
    provenance: provenance(facts, context.clock, { masked: open || name === null ? [] : ['legalRepresentative'] }),
  };
}

function presentConfirmation(
  clientMutationId: string,
  at: InstallationHandle<RegistrationRequest>,
  { value, facts }: Sourced<Application>,
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
    description: 'registration: queries the register by credit code, also for companies that no other source has.',
  })
  async registeredCompany(
    @Arg('uscc', () => USCC, { description: 'Credit code.' }) uscc: string,
    @Ctx() context: Context,
  ) {
    // An entry that the caller may not see is not requested from the register.
    const found = (await context.rows.maySee({ company: uscc })) ? await newestEntry(uscc, context) : null;
    return found && { uscc: found.value.uscc };
  }

  @Directive(requiresScopes('registration:read'))
  @FieldResolver(() => Registration, { nullable: true, description: "registration: the company's register entry." })
  async registration(@Root() company: { uscc: string }, @Ctx() context: Context) {
    const found = await newestEntry(company.uscc, context);
    return found && presentEntry(found, context);
  }

  @Directive(requiresScopes('registration:file'))
  @Mutation(() => SubmitRegistrationPayload, { nullable: true, description: 'registration: submits a filing.' })
  async submitRegistration(
    @Arg('input', () => SubmitRegistrationInput, { description: 'The filing.' }) input: SubmitRegistrationInput,
    @Ctx() context: Context,
  ) {
    const at = context.installations.byId(input.installation);
    if (!at)
      throw badInput(
        `Unknown installation "${input.installation}". Use one of ${context.installations
          .all()
          .map(({ id }) => id)
          .join(', ')}.`,
      );
    const { clientMutationId, installation: _, ...filing } = input;
    return presentConfirmation(clientMutationId, at, await at.source.submit(clientMutationId, filing), context);
  }

  @Directive(requiresScopes('registration:file'))
  @Mutation(() => WithdrawRegistrationPayload, { nullable: true, description: 'registration: withdraws a filing.' })
  async withdrawRegistration(
    @Arg('input', () => WithdrawRegistrationInput, { description: 'The filing to withdraw.' })
    input: WithdrawRegistrationInput,
    @Ctx() context: Context,
  ) {
    const at = context.installations.byGlobalId(input.case);
    if (!at) throw badInput('Invalid case: it is not a filing with a register of this hub.');
    return presentConfirmation(
      input.clientMutationId,
      at,
      await at.source.withdraw(input.clientMutationId, at.local),
      context,
    );
  }
}

export const graph: Graph = {
  resolvers: [CompanyResolver],
  types: [Company, Registration, Case],
  rows: {
    Company: ({ uscc }: Company) => ({ company: uscc }),
    Case: ({ id }: Case, { parks }) => ({ park: parks.parkOfRecord(id) }),
    Registration: PART,
    SubmitRegistrationPayload: PART,
    WithdrawRegistrationPayload: PART,
  },
};
