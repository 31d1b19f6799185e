/** Resolvers: read arguments, ask the mirror, show the model. */
import { Arg, Args, Ctx, Directive, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { LIST_SIZE, policy, requiresScopes } from '../../../schema/graph/directives.ts';
import { PageArgs } from '../../../schema/graph/shared.ts';
import { consented } from '../../kit/auth/principal.ts';
import type { Graph } from '../../kit/connector.ts';
import { HubError } from '../../kit/errors.ts';
import { provenance } from '../../kit/provenance.ts';
import { PART } from '../../kit/row-rights.ts';
import {
  allowed,
  type Context,
  filingsPage,
  invoiceFilter,
  invoicesPage,
  lastFiling,
  showAccount,
  totalsOf,
} from './present.ts';
import {
  Company,
  InvoiceArgs,
  InvoiceConnection,
  RequestTaxClearanceInput,
  RequestTaxClearancePayload,
  TaxAccount,
  TaxFiling,
  TaxFilingConnection,
  TaxTotal,
  TotalsArgs,
} from './types.ts';

@Resolver(() => Company)
class CompanyResolver {
  @Directive(requiresScopes('tax:read'))
  @Directive(policy('consent:tax'))
  @FieldResolver(() => TaxAccount, { nullable: true, description: 'Null when no file has told of the company.' })
  async tax(@Root() { uscc }: Company, @Ctx() context: Context): Promise<TaxAccount | null> {
    if (!consented(context.principal, 'tax', uscc)) {
      throw new HubError('CONSENT_REQUIRED', 'This company has not granted your client the purpose tax.');
    }
    return showAccount(uscc, context);
  }

  @Directive(requiresScopes('tax:file'))
  @Mutation(() => RequestTaxClearancePayload, {
    nullable: true,
    description: "Lays a request on the tax office's drop; its answer moves the case.",
  })
  async requestTaxClearance(
    @Arg('input', () => RequestTaxClearanceInput, { description: 'What is asked for.' })
    input: RequestTaxClearanceInput,
    @Ctx() context: Context,
  ): Promise<RequestTaxClearancePayload> {
    const { clientMutationId, installation, uscc, until } = input;
    const office = allowed(context).find((one) => one.id === installation);
    if (!office) throw new HubError('BAD_USER_INPUT', `There is no tax office ${JSON.stringify(installation)}.`);
    context.rows.mustActFor(uscc);
    const { value, facts } = await office.source.requestClearance({ clientMutationId, company: uscc, until });
    return { clientMutationId, receipt: null, case: { id: value }, provenance: provenance(facts, context.clock) };
  }
}

@Resolver(() => TaxAccount)
class TaxAccountResolver {
  @FieldResolver(() => TaxFiling, { nullable: true, description: 'The return of the latest period.' })
  lastFiling(@Root() account: TaxAccount, @Ctx() context: Context): Promise<TaxFiling | null> {
    return lastFiling(account, context);
  }

  @Directive(LIST_SIZE)
  @FieldResolver(() => TaxFilingConnection, { nullable: true, description: 'The latest period first.' })
  filings(@Root() account: TaxAccount, @Args(() => PageArgs) args: PageArgs, @Ctx() context: Context) {
    return filingsPage(account, args, context);
  }

  @Directive(LIST_SIZE)
  @FieldResolver(() => InvoiceConnection, { nullable: true, description: 'The newest first.' })
  invoices(@Root() account: TaxAccount, @Args(() => InvoiceArgs) args: InvoiceArgs, @Ctx() context: Context) {
    return invoicesPage(account, args, invoiceFilter(args.issued, args.gross), context);
  }

  @FieldResolver(() => [TaxTotal], { nullable: true, description: 'One row per period, both ends included.' })
  totals(
    @Root() account: TaxAccount,
    @Args(() => TotalsArgs) { from, to }: TotalsArgs,
    @Ctx() context: Context,
  ): Promise<TaxTotal[]> {
    return totalsOf(account, from, to, context);
  }
}

export const taxGraph: Graph = {
  rows: {
    Company: ({ uscc }: Company) => ({ company: uscc }),
    Case: ({ id }: { id: string }, { parks }) => ({ park: parks.ofRecord(id) }),
    TaxAccount: PART,
    TaxFiling: PART,
    Invoice: PART,
    TaxTotal: PART,
    RequestTaxClearancePayload: PART,
  },
  resolvers: [CompanyResolver, TaxAccountResolver],
  types: [Company],
  references: {
    Company: ({ uscc }: { uscc: string }) => ({ uscc }),
  },
};
