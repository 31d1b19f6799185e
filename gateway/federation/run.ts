/** One run of an operation, and one question to a subgraph within it. */
import type { Call, Subgraph, SubgraphError, SubgraphResponse } from '../../connectors/kit/connector.ts';
import type { Tree } from './data.ts';
import type { PlacedError } from './faults.ts';

export interface Run {
  readonly call: Call;
  readonly subgraph: (name: string) => Subgraph;
  /** As the client sent them, defaults filled in: what subgraphs get. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** What the fetches have brought so far. */
  readonly data: Tree;
  /** Faults by their places in `data`. */
  readonly errors: PlacedError[];
}

/** A subgraph may answer this long after the operation's time is up, in milliseconds: its own limits have told it by then. */
const GRACE = 250;
/** The longest that a timer can wait. */
const LONGEST = 2 ** 31 - 1;

const fault = (code: string, source: string, says: string, retryable = true): SubgraphError => ({
  message: `The source ${source} ${says}.`,
  extensions: { code, source, retryable },
});

/** For an answer that is none. */
export const malformed = (name: string): SubgraphError =>
  fault('SOURCE_MALFORMED', name, 'gave an answer that cannot be understood', false);

/** Asks the subgraph; never rejects: silence and faults are answers too. */
export async function ask(
  run: Run,
  name: string,
  query: string,
  variables: Record<string, unknown>,
): Promise<SubgraphResponse> {
  const { call } = run;
  const left = Math.min(call.deadline + GRACE - Date.now(), LONGEST);
  const late = (): SubgraphResponse => ({ errors: [fault('SOURCE_TIMEOUT', name, 'did not answer in time')] });
  if (left <= 0 || call.signal.aborted) return late();
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const over = new Promise<SubgraphResponse>((resolve) => {
    onAbort = () => resolve(late());
    timer = setTimeout(onAbort, left);
    call.signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    const answer = await Promise.race([run.subgraph(name).execute({ query, variables, call }), over]);
    return answer.data || answer.errors?.length ? answer : { errors: [malformed(name)] };
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'SOURCE_TIMEOUT') return late();
    const told =
      code === 'SOURCE_MALFORMED'
        ? malformed(name)
        : fault('SOURCE_UNAVAILABLE', name, 'cannot be reached at the moment');
    return { errors: [told] };
  } finally {
    clearTimeout(timer);
    if (onAbort) call.signal.removeEventListener('abort', onAbort);
  }
}
