import { Ctx, Directive, Field, FieldResolver, ID, ObjectType, Resolver, Root } from 'type-graphql';
import { key } from '../../schema/graph/directives.ts';
import { DateTime, USCC } from '../../schema/graph/scalars.ts';
import { Provenance } from '../../schema/graph/shared.ts';
import { PART } from '../kit/auth/row-rights.ts';
import type { Graph, GraphContext } from '../kit/connector.ts';
import { joinedProvenance } from '../kit/provenance.ts';
import type { Notice } from './model.ts';
import type { TemplateRequest } from './source.ts';

type Context = GraphContext<TemplateRequest>;

@ObjectType({ description: "A notice from the park's office.", simpleResolvers: true })
class TemplateNotice implements Pick<Notice, 'title' | 'writtenAt'> {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
  @Field(() => String, { description: 'Subject of the notice.' }) title!: string;
  @Field(() => DateTime, { description: 'Time of writing.' }) writtenAt!: Date;
}

@ObjectType({ description: 'Notices to a company.', simpleResolvers: true })
class TemplateBoard {
  @Field(() => [TemplateNotice], { description: 'Notices, newest first.' }) notices!: TemplateNotice[];
  @Field(() => Provenance, { description: 'Source and age of the list, also if it is empty.' }) provenance!: Provenance;
}

@Directive(key('uscc'))
@ObjectType({ description: 'A company, identified by its credit code (USCC). Each source adds its own fields.' })
class Company {
  @Field(() => USCC, { description: 'Credit code (USCC), the key that joins the sources.' }) uscc!: string;
}

@Resolver(() => Company)
class CompanyResolver {
  @FieldResolver(() => TemplateBoard, { nullable: true, description: 'template: notices to the company.' })
  async templateNotices(@Root() company: { uscc: string }, @Ctx() context: Context): Promise<TemplateBoard | null> {
    // Without `claims` in the contract these are all installations; they are queried in parallel, each with its own guard.
    const { asked } = await context.installations.knowing('COMPANY', company.uscc);
    const boards = await Promise.all(
      asked.map(async ({ id, source }) => ({ id, board: await source.notices(company.uscc) })),
    );
    const facts = boards.flatMap(({ board }) => (board ? [board.facts] : []));
    if (facts.length === 0) return null;
    return {
      notices: boards.flatMap(({ id, board }) =>
        (board?.value ?? []).map((notice) => ({ ...notice, id: `${id}:${notice.id}` })),
      ),
      provenance: joinedProvenance(facts, context.clock) as Provenance,
    };
  }
}

export const graph: Graph = {
  resolvers: [CompanyResolver],
  types: [Company],
  // The owner of each type's rows: a company, a park (`parks.parkOfRecord(id)`), or the row that contains it.
  rows: { Company: ({ uscc }: Company) => ({ company: uscc }), TemplateBoard: PART, TemplateNotice: PART },
};
