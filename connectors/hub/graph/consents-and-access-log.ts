/** Resolvers of consents (who may read a company's data) and of the access log (who has read it). */
import { Arg, Args, Ctx, Directive, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { LIST_SIZE, requiresScopes } from '../../../schema/graph/directives.ts';
import { PageArgs, TimeRange } from '../../../schema/graph/shared.ts';
import type { GraphContext } from '../../kit/connector.ts';
import { cursorScope } from '../../kit/cursor.ts';
import { badInput, HubError } from '../../kit/errors.ts';
import { parsePageArguments, toConnection, toPage } from '../../kit/pagination.ts';
import type { Access, Consent } from '../model.ts';
import type { HubRequest } from '../source.ts';
import * as types from './consents-and-access-log-types.ts';
import { hub } from './present.ts';
import { Company } from './types.ts';

type Context = GraphContext<HubRequest>;

const PURPOSE = /^[a-z][a-z0-9-]{0,39}$/;
const CLIENT = /^[\x21-\x7e]{1,200}$/;

const presentConsent = ({ company, ...rest }: Consent) => ({ ...rest, company: { uscc: company } });
const presentAccess = (company: string, { chain, number, ...rest }: Access) => ({
  ...rest,
  id: `${chain}:${number}`,
  company,
});

/** Throws FORBIDDEN unless the caller sees every park in which the company is known: consents and access log are not per park. */
async function assertSeesEveryPark(context: Context, uscc: string): Promise<void> {
  if (await context.rows.maySee({ company: uscc, everyPark: true })) return;
  throw new HubError(
    'FORBIDDEN',
    'Consents and the access log require access to every park in which the company is known.',
  );
}

/** Throws FORBIDDEN unless the caller acts for the company; a role that sees every company is not enough. */
async function assertActsFor(context: Context, uscc: string): Promise<void> {
  if (!context.principal.companies?.includes(uscc))
    throw new HubError('FORBIDDEN', 'Only a caller who acts for the company can grant or revoke its consents.');
  await assertSeesEveryPark(context, uscc);
}

@Resolver(() => Company)
export class ConsentResolver {
  @Directive(requiresScopes('consent:read'))
  @FieldResolver(() => [types.Consent], {
    nullable: true,
    description: 'hub: consents granted by the company, newest first.',
  })
  async consents(
    @Root() { uscc }: { uscc: string },
    @Arg('active', () => Boolean, {
      nullable: true,
      description: 'true: only consents in force; false: only ended ones.',
    })
    active: boolean | null,
    @Ctx() context: Context,
  ) {
    await assertSeesEveryPark(context, uscc);
    const now = context.now();
    const inForce = ({ revokedAt, expiresAt }: Consent) =>
      revokedAt === null && (expiresAt === null || expiresAt > now);
    const all = await hub(context).consents(uscc);
    return all
      .filter((consent) => active === null || active === undefined || inForce(consent) === active)
      .map(presentConsent);
  }

  @Directive(requiresScopes('audit:read'))
  @Directive(LIST_SIZE)
  @FieldResolver(() => types.AccessLogConnection, {
    nullable: true,
    description: "hub: accesses to the company's data, oldest first. Reading the access log is logged too.",
  })
  async accessLog(
    @Root() { uscc }: { uscc: string },
    @Args(() => PageArgs) args: PageArgs,
    @Arg('time', () => TimeRange, { nullable: true, description: 'Limits the entries by time of access.' })
    time: TimeRange | null,
    @Ctx() context: Context,
  ) {
    await assertSeesEveryPark(context, uscc);
    const span = { ...(time?.from ? { from: time.from } : {}), ...(time?.to ? { to: time.to } : {}) };
    const scope = cursorScope('accessLog', [uscc, span]);
    const page = parsePageArguments(args, context.cursors, scope);
    const rows = await hub(context).accesses(uscc, span, page);
    return toConnection(
      toPage(
        page,
        rows,
        (row) => [row.time.getTime(), row.chain, row.number],
        () => hub(context).accessCount(uscc, span),
      ),
      context.cursors,
      scope,
      (row) => presentAccess(uscc, row),
    );
  }

  @Directive(requiresScopes('consent:write'))
  @Mutation(() => types.GrantConsentPayload, {
    nullable: true,
    description: "hub: allows a client to use the company's data for a purpose, from now on.",
  })
  async grantConsent(
    @Arg('input', () => types.GrantConsentInput, { description: 'The consent to grant.' })
    input: types.GrantConsentInput,
    @Ctx() context: Context,
  ) {
    const { clientMutationId, uscc, client, purpose, expiresAt } = input;
    await assertActsFor(context, uscc);
    if (!PURPOSE.test(purpose)) {
      throw badInput(
        `Invalid purpose ${JSON.stringify(purpose)}. Use lower-case letters, digits and hyphens, such as tax.`,
      );
    }
    if (!CLIENT.test(client))
      throw badInput('Invalid client. Pass the client id from the tokens of the client, such as city-portal.');
    if (expiresAt && expiresAt <= context.now()) throw badInput('expiresAt must be in the future.');
    const granted = await hub(context).grantConsent(clientMutationId, {
      company: uscc,
      client,
      purpose,
      expiresAt: expiresAt ?? null,
    });
    return { clientMutationId, consent: presentConsent(granted) };
  }

  @Directive(requiresScopes('consent:write'))
  @Mutation(() => types.RevokeConsentPayload, {
    nullable: true,
    description: 'hub: revokes a consent immediately, also for active subscriptions.',
  })
  async revokeConsent(
    @Arg('input', () => types.RevokeConsentInput, { description: 'The consent to revoke.' })
    input: types.RevokeConsentInput,
    @Ctx() context: Context,
  ) {
    const { clientMutationId, consent } = input;
    const existing = await hub(context).consent(consent);
    if (!existing) throw badInput(`Unknown consent ${JSON.stringify(consent)}. Use an id from Company.consents.`);
    await assertActsFor(context, existing.company);
    const revoked = await hub(context).revokeConsent(clientMutationId, consent);
    return { clientMutationId, consent: presentConsent(revoked ?? existing) };
  }
}
