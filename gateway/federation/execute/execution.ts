/** The state of one execution. */
import type { Call, Subgraph } from '../../../connectors/kit/call.ts';
import type { PlacedError } from '../respond/error-placement.ts';
import { type DataObject, NullPrototypeObject } from '../response-data.ts';
import { Deadline } from './deadline.ts';

/** One execution of an operation. */
export class Execution {
  readonly call: Call;
  /** The client's variables with defaults filled in, not coerced: subgraphs receive these. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** The merged data of all fetches so far. */
  readonly data: DataObject = new NullPrototypeObject();
  /** Errors with their paths in `data`. */
  readonly errors: PlacedError[] = [];
  /** Objects that some fetch was to complete and did not. */
  readonly incomplete = new Set<DataObject>();
  readonly deadline: Deadline;
  /** Contexts of resolvers in this process. Queries share one per subgraph, so that its loaders can batch; null for mutations. */
  readonly #contexts: Map<Subgraph, unknown> | null;

  constructor(call: Call, variables: Readonly<Record<string, unknown>>, kind: 'query' | 'mutation') {
    this.call = call;
    this.variables = variables;
    this.deadline = new Deadline(call);
    this.#contexts = kind === 'query' ? new Map() : null;
  }

  /** The context for the resolvers of a subgraph in this process. */
  context(subgraph: Subgraph): unknown {
    let context = this.#contexts?.get(subgraph);
    if (context === undefined) {
      context = subgraph.inProcess?.createContext(this.call);
      this.#contexts?.set(subgraph, context);
    }
    return context;
  }
}
