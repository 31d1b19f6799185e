/** Consents and the access log: who may read a company's data, and who has. */
import { Arg, Args, Ctx, Directive, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { LIST_SIZE, requiresScopes } from '../../../schema/graph/directives.ts';
import { PageArgs, TimeRange } from '../../../schema/graph/shared.ts';
import type { GraphContext } from '../../kit/connector.ts';
import { badInput, HubError } from '../../kit/errors.ts';
import { connection, pageOf, paging, scopeOf } from '../../kit/pagination.ts';
import type { Access, Consent } from '../model.ts';
import type { HubRequest } from '../source.ts';
import { hub } from './present.ts';
import * as types from './trust-types.ts';
import { Company } from './types.ts';

type Context = GraphContext<HubRequest>;

const PURPOSE = /^[a-z][a-z0-9-]{0,39}$/;
const CLIENT = /^[\x21-\x7e]{1,200}$/;

const showConsent = ({ company, ...rest }: Consent) => ({ ...rest, company: { uscc: company } });
const showAccess = (company: string, { chain, number, ...rest }: Access) => ({
  ...rest,
  id: `${chain}:${number}`,
  company,
});

/** Consents and the access log are of the company as a whole: who sees only some of the parks that know it does not see them. */
async function mustSeeWhole(context: Context, uscc: string): Promise<void> {
  if (await context.rows.sees({ company: uscc, everyPark: true })) return;
  throw new HubError('FORBIDDEN', 'This is for callers who see every park in which the company is known.');
}

/** Only who acts for the company itself gives and takes consent: a role that may see every company does not. */
async function mustActFor(context: Context, uscc: string): Promise<void> {
  if (!context.principal.companies?.includes(uscc))
    throw new HubError('FORBIDDEN', 'Only who acts for the company can give or end its consent.');
  await mustSeeWhole(context, uscc);
}

@Resolver(() => Company)
export class TrustResolver {
  @Directive(requiresScopes('consent:read'))
  @FieldResolver(() => [types.Consent], {
    nullable: true,
    description: 'hub: who may read what, given by the company; the newest first.',
  })
  async consents(
    @Root() { uscc }: { uscc: string },
    @Arg('active', () => Boolean, { nullable: true, description: 'Only those in force, or only those ended.' })
    active: boolean | null,
    @Ctx() context: Context,
  ) {
    await mustSeeWhole(context, uscc);
    const now = context.now();
    const inForce = (one: Consent) => one.revokedAt === null && (one.expiresAt === null || one.expiresAt > now);
    const all = await hub(context).consents(uscc);
    return all.filter((one) => active === null || active === undefined || inForce(one) === active).map(showConsent);
  }

  @Directive(requiresScopes('audit:read'))
  @Directive(LIST_SIZE)
  @FieldResolver(() => types.AccessLogConnection, {
    nullable: true,
    description: "hub: who has read the company's data, oldest first. Reading this is logged too.",
  })
  async accessLog(
    @Root() { uscc }: { uscc: string },
    @Args(() => PageArgs) args: PageArgs,
    @Arg('time', () => TimeRange, { nullable: true, description: 'When it was read.' }) time: TimeRange | null,
    @Ctx() context: Context,
  ) {
    await mustSeeWhole(context, uscc);
    const span = { ...(time?.from ? { from: time.from } : {}), ...(time?.to ? { to: time.to } : {}) };
    const scope = scopeOf('accessLog', [uscc, span]);
    const page = paging(args, context.cursors, scope);
    const rows = await hub(context).accesses(uscc, span, page);
    return connection(
      pageOf(
        page,
        rows,
        (row) => [row.time.getTime(), row.chain, row.number],
        () => hub(context).accessCount(uscc, span),
      ),
      context.cursors,
      scope,
      (row) => showAccess(uscc, row),
    );
  }

  @Directive(requiresScopes('consent:write'))
  @Mutation(() => types.GrantConsentPayload, {
    nullable: true,
    description: "hub: lets a client use the company's data for a purpose, from now on.",
  })
  async grantConsent(
    @Arg('input', () => types.GrantConsentInput, { description: 'To whom and for what.' })
    input: types.GrantConsentInput,
    @Ctx() context: Context,
  ) {
    const { clientMutationId, uscc, client, purpose, expiresAt } = input;
    await mustActFor(context, uscc);
    if (!PURPOSE.test(purpose)) {
      throw badInput(
        `purpose must be lower-case letters, digits and hyphens, such as tax; found ${JSON.stringify(purpose)}.`,
      );
    }
    if (!CLIENT.test(client)) throw badInput('client must be the client id of its tokens, such as city-portal.');
    if (expiresAt && expiresAt <= context.now()) throw badInput('expiresAt must lie in the future.');
    const made = await hub(context).grantConsent(clientMutationId, {
      company: uscc,
      client,
      purpose,
      expiresAt: expiresAt ?? null,
    });
    return { clientMutationId, consent: showConsent(made) };
  }

  @Directive(requiresScopes('consent:write'))
  @Mutation(() => types.RevokeConsentPayload, {
    nullable: true,
    description: 'hub: ends a consent at once, for subscriptions under way too.',
  })
  async revokeConsent(
    @Arg('input', () => types.RevokeConsentInput, { description: 'Which one.' }) input: types.RevokeConsentInput,
    @Ctx() context: Context,
  ) {
    const { clientMutationId, consent } = input;
    const known = await hub(context).consent(consent);
    if (!known) throw badInput(`There is no consent ${JSON.stringify(consent)}.`);
    await mustActFor(context, known.company);
    const ended = await hub(context).revokeConsent(clientMutationId, consent);
    return { clientMutationId, consent: showConsent(ended ?? known) };
  }
}
