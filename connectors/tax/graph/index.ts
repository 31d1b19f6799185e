/** Resolvers of the tax subgraph: they read the mirror and present the result. */
import { Arg, Args, Ctx, Directive, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { LIST_SIZE, PERIOD_SERIES, policy, requiresScopes } from '../../../schema/graph/directives.ts';
import { PageArgs } from '../../../schema/graph/shared.ts';
import { hasConsent } from '../../kit/auth/principal.ts';
import { PART } from '../../kit/auth/row-rights.ts';
import type { Graph } from '../../kit/connector.ts';
import { HubError } from '../../kit/errors.ts';
import { provenance } from '../../kit/provenance.ts';
import {
  type Context,
  filingsPage,
  invoiceFilter,
  invoicesPage,
  lastFiling,
  presentAccount,
  totalsOf,
  visibleInstallations,
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
  @FieldResolver(() => TaxAccount, {
    nullable: true,
    description: 'Tax data of the company; null if no file names it.',
  })
  async tax(@Root() { uscc }: Company, @Ctx() context: Context): Promise<TaxAccount | null> {
    if (!hasConsent(context.principal, 'tax', uscc)) {
      throw new HubError(
        'CONSENT_REQUIRED',
        'The company has not granted consent for the purpose tax to this client. The company can grant it with grantConsent.',
      );
    }
    return presentAccount(uscc, context);
  }

  @Directive(requiresScopes('tax:file'))
  @Mutation(() => RequestTaxClearancePayload, {
    nullable: true,
    description: 'Sends a request for tax clearance to the tax office. Its replies update the returned case.',
  })
  async requestTaxClearance(
    @Arg('input', () => RequestTaxClearanceInput, { description: 'The clearance to request.' })
    input: RequestTaxClearanceInput,
    @Ctx() context: Context,
  ): Promise<RequestTaxClearancePayload> {
    const { clientMutationId, installation, uscc, until } = input;
    const office = visibleInstallations(context).find(({ id }) => id === installation);
    if (!office)
      throw new HubError(
        'BAD_USER_INPUT',
        `Unknown tax installation ${JSON.stringify(installation)}. Use the id of a Source whose system is tax.`,
      );
    context.rows.assertMayActFor(uscc);
    const { value, facts } = await office.source.requestClearance({ clientMutationId, company: uscc, until });
    return { clientMutationId, receipt: null, case: { id: value }, provenance: provenance(facts, context.clock) };
  }
}

@Resolver(() => TaxAccount)
class TaxAccountResolver {
  @FieldResolver(() => TaxFiling, {
    nullable: true,
    description: 'The return of the latest period; null if there is none.',
  })
  lastFiling(@Root() account: TaxAccount, @Ctx() context: Context): Promise<TaxFiling | null> {
    return lastFiling(account, context);
  }

  @Directive(LIST_SIZE)
  @FieldResolver(() => TaxFilingConnection, { nullable: true, description: 'Returns, latest period first.' })
  filings(@Root() account: TaxAccount, @Args(() => PageArgs) args: PageArgs, @Ctx() context: Context) {
    return filingsPage(account, args, context);
  }

  @Directive(LIST_SIZE)
  @FieldResolver(() => InvoiceConnection, { nullable: true, description: 'Invoices, newest first.' })
  invoices(@Root() account: TaxAccount, @Args(() => InvoiceArgs) args: InvoiceArgs, @Ctx() context: Context) {
    return invoicesPage(account, args, invoiceFilter(args.issued, args.gross), context);
  }

  @Directive(PERIOD_SERIES)
  @FieldResolver(() => [TaxTotal], {
    nullable: true,
    description: 'Sums by period, one row per period and currency, both ends inclusive.',
  })
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
    Case: ({ id }: { id: string }, { parks }) => ({ park: parks.parkOfRecord(id) }),
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
