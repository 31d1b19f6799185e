import { Ctx, Directive, Field, FieldResolver, ID, ObjectType, Resolver, Root } from 'type-graphql';
import { key } from '../../schema/graph/directives.ts';
import { DateTime, USCC } from '../../schema/graph/scalars.ts';
import { Provenance } from '../../schema/graph/shared.ts';
import type { Graph, GraphContext } from '../kit/connector.ts';
import { joinedProvenance } from '../kit/provenance.ts';
import { PART } from '../kit/row-rights.ts';
import type { Notice } from './model.ts';
import type { TemplateRequest } from './source.ts';

type Context = GraphContext<TemplateRequest>;

@ObjectType({ description: "A notice of the park's office.", simpleResolvers: true })
class TemplateNotice implements Pick<Notice, 'title' | 'writtenAt'> {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
  @Field(() => String, { description: 'What it is about.' }) title!: string;
  @Field(() => DateTime, { description: 'When it was written.' }) writtenAt!: Date;
}

@ObjectType({ description: "What the office's board holds for a company.", simpleResolvers: true })
class TemplateBoard {
  @Field(() => [TemplateNotice], { description: 'Newest first.' }) notices!: TemplateNotice[];
  @Field(() => Provenance, { description: 'Where this comes from, also when it is empty.' }) provenance!: Provenance;
}

@Directive(key('uscc'))
@ObjectType({ description: 'A company, known by its credit code; each island adds what it knows.' })
class Company {
  @Field(() => USCC, { description: 'The key that joins the islands.' }) uscc!: string;
}

@Resolver(() => Company)
class CompanyResolver {
  @FieldResolver(() => TemplateBoard, { nullable: true, description: 'template: notices to the company.' })
  async templateNotices(@Root() company: { uscc: string }, @Ctx() context: Context): Promise<TemplateBoard | null> {
    // A natural key is asked of every installation, in parallel, each behind its own guard.
    const all = context.installations.all();
    const known = await Promise.all(
      all.map(async (one) => ({ id: one.id, board: await one.source.notices(company.uscc) })),
    );
    const facts = known.flatMap(({ board }) => (board ? [board.facts] : []));
    if (facts.length === 0) return null;
    return {
      notices: known.flatMap(({ id, board }) => (board?.value ?? []).map((one) => ({ ...one, id: `${id}:${one.id}` }))),
      provenance: joinedProvenance(facts, context.clock) as Provenance,
    };
  }
}

export const graph: Graph = {
  resolvers: [CompanyResolver],
  types: [Company],
  // Whose row each type is: a company's, a park's (parks.ofRecord(id)), or part of the row above it.
  rows: { Company: ({ uscc }: Company) => ({ company: uscc }), TemplateBoard: PART, TemplateNotice: PART },
};
