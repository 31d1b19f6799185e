/** One run of an operation, and one question to a subgraph within it. */
import type { Call, Subgraph, SubgraphError, SubgraphResponse } from '../../../connectors/kit/connector.ts';
import { type Fused, fuse } from '../in-process/execute-in-process.ts';
import type { PlacedError } from '../respond/error-placement.ts';
import type { Report } from '../respond/error-report.ts';
import { Bare, type Tree } from '../response-data.ts';
import { Deadline } from './deadline.ts';

export class Run {
  readonly call: Call;
  /** As the client sent them, defaults filled in: what subgraphs get. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** What the fetches have brought so far. */
  readonly data: Tree = new Bare();
  /** Faults by their places in `data`. */
  readonly errors: PlacedError[] = [];
  /** Objects of which some subgraph that was asked told nothing. */
  readonly bereft = new Set<Tree>();
  readonly deadline: Deadline;
  /** What resolvers of this process get as context. Queries have one per subgraph, so that its loaders see them all. */
  readonly #contexts: Map<Subgraph, unknown> | null;

  constructor(call: Call, variables: Readonly<Record<string, unknown>>, kind: 'query' | 'mutation') {
    this.call = call;
    this.variables = variables;
    this.deadline = new Deadline(call);
    this.#contexts = kind === 'query' ? new Map() : null;
  }

  context(subgraph: Subgraph): unknown {
    let context = this.#contexts?.get(subgraph);
    if (context === undefined) {
      context = subgraph.direct?.context(this.call);
      this.#contexts?.set(subgraph, context);
    }
    return context;
  }
}

/** Asks one subgraph one thing; neither throws nor rejects: silence and faults are answers too. */
export type Ask = (run: Run, variables: Record<string, unknown>) => SubgraphResponse | Promise<SubgraphResponse>;

const fault = (code: string, source: string, says: string, retryable = true): SubgraphResponse => ({
  errors: [{ message: `The source ${source} ${says}.`, extensions: { code, source, retryable } }],
});

const MALFORMED = 'gave an answer that cannot be understood';

/** For an answer that is none. */
export const malformed = (name: string): SubgraphError => ({
  message: `The source ${name} ${MALFORMED}.`,
  extensions: { code: 'SOURCE_MALFORMED', source: name, retryable: false },
});

/** Built once per fetch of a plan. A subgraph of this process is compiled in at the first question. */
export function asker(subgraph: (name: string) => Subgraph, name: string, query: string, report: Report): Ask {
  const late = (): SubgraphResponse => fault('SOURCE_TIMEOUT', name, 'did not answer in time');
  const failed = (error: unknown): SubgraphResponse => {
    const { code } = error as { code?: unknown };
    if (code === 'SOURCE_TIMEOUT') return late();
    if (code === 'SOURCE_MALFORMED') return { errors: [malformed(name)] };
    return fault('SOURCE_UNAVAILABLE', name, 'cannot be reached at the moment');
  };
  const checked = (answer: SubgraphResponse): SubgraphResponse => {
    if (answer.errors && answer.errors.length > 0) return { ...answer, errors: report(name, answer.errors) };
    return answer.data ? answer : { errors: [malformed(name)] };
  };
  let fused: Fused | null | undefined;
  return (run, variables) => {
    if (run.deadline.isOver()) return late();
    let answer: SubgraphResponse | Promise<SubgraphResponse>;
    try {
      const one = subgraph(name);
      if (fused === undefined) fused = one.schema && one.direct ? fuse(one.schema, query, one.direct.shown) : null;
      answer = fused ? fused(variables, run.context(one)) : one.execute({ query, variables, call: run.call });
    } catch (error) {
      return failed(error);
    }
    return 'then' in answer ? run.deadline.race(answer.then(checked, failed), late) : checked(answer);
  };
}
