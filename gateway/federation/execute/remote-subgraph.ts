/** A subgraph behind HTTP: keep-alive, what is left of the deadline, a largest answer, and the client's going away. */
import { LRUCache } from 'lru-cache';
import { Agent, type Dispatcher } from 'undici';
import { systemClock } from '../../../connectors/kit/clock.ts';
import type { Call, Noted, Subgraph, SubgraphResponse } from '../../../connectors/kit/connector.ts';
import { malformed, timeout, unavailable } from '../../../connectors/kit/errors.ts';
import { onAbort } from '../../../connectors/kit/guard/abort-listeners.ts';
import { sourceBytes } from '../../../connectors/kit/protocols/response-body.ts';

export interface RemoteOptions {
  readonly name: string;
  readonly url: string;
  readonly sdl?: string;
  /** Headers for one call: who asks, how much time is left. `body`: what is sent, byte for byte. */
  headers?(call: Call, body: string): Record<string, string>;
  readonly maxBytes?: number;
}

/** Time is kept here, by the operation's deadline. */
const agent = new Agent({
  keepAliveTimeout: 30_000,
  connections: 64,
  pipelining: 1,
  headersTimeout: 0,
  bodyTimeout: 0,
  connect: { timeout: 2_000 },
});
const LARGEST = 16 * 1024 * 1024;
/** A subgraph may answer this long after the deadline, in milliseconds: its own limits have told it by then. */
const GRACE = 200;
const LONGEST = 2 ** 31 - 1;
/** Characters of operations whose JSON is kept, for each subgraph. */
const TEXTS = 128 * 1024;
const HEADERS = { 'content-type': 'application/json', accept: 'application/json' };

export function remoteSubgraph(options: RemoteOptions): Subgraph {
  const { name, maxBytes = LARGEST } = options;
  const address = URL.canParse(options.url) ? new URL(options.url) : null;
  /** The planner's operations come again and again. */
  const known = new LRUCache<string, string>({ maxSize: TEXTS, sizeCalculation: (json) => json.length });
  const bodyOf = (query: string, operationName: string | undefined, variables: unknown): string => {
    let text = known.get(query);
    if (text === undefined) {
      text = JSON.stringify(query);
      known.set(query, text);
    }
    const named = operationName ? `,"operationName":${JSON.stringify(operationName)}` : '';
    return `{"query":${text},"variables":${JSON.stringify(variables)}${named}}`;
  };
  return {
    name,
    sdl: options.sdl ?? '',
    execute: ({ query, operationName, variables, call }) => {
      if (!address) return Promise.reject(unavailable(`the subgraph has no address: ${options.url}`));
      const { origin, pathname, search } = address;
      const body = bodyOf(query, operationName, variables);
      return send(
        {
          origin,
          path: pathname + search,
          method: 'POST',
          headers: options.headers ? { ...HEADERS, ...options.headers(call, body) } : HEADERS,
          body,
        },
        call,
        maxBytes,
      );
    },
  };
}

/** One request; rejects with what went wrong. */
function send(request: Dispatcher.DispatchOptions, call: Call, maxBytes: number): Promise<SubgraphResponse> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    let held = 0;
    let status = 0;
    let over: Error | null = null;
    let controller: Dispatcher.DispatchController | null = null;
    const stop = (reason: Error): void => {
      over ??= reason;
      controller?.abort(over);
    };
    const late = (): void => stop(timeout('no answer in time'));
    const left = Math.min(Math.max(call.deadline - systemClock.monotonic(), 1) + GRACE, LONGEST);
    const timer = setTimeout(late, left);
    const leave = onAbort(call.signal, late);
    const end = (): void => {
      clearTimeout(timer);
      leave();
      sourceBytes.give(held);
      held = 0;
    };
    if (call.signal.aborted) late();
    agent.dispatch(request, {
      onRequestStart: (given) => {
        controller = given;
        if (over) given.abort(over);
      },
      onResponseStart: (_, code) => {
        status = code;
      },
      onResponseData: (_, part) => {
        if (over) return;
        size += part.length;
        sourceBytes.force(part.length);
        held += part.length;
        if (sourceBytes.held > sourceBytes.most) stop(unavailable('this process is reading too many answers'));
        else if (size > maxBytes) stop(malformed(`the answer is larger than ${maxBytes} bytes`));
        else parts.push(part);
      },
      onResponseEnd: () => {
        try {
          resolve(understand(parts, status, call));
        } catch (error) {
          reject(error as Error);
        } finally {
          end();
        }
      },
      onResponseError: (_, error) => {
        end();
        reject(over ?? unavailable('the subgraph cannot be reached', error));
      },
    });
  });
}

function understand(parts: readonly Buffer[], status: number, call: Call): SubgraphResponse {
  let answer: unknown;
  try {
    answer = JSON.parse((parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)).toString('utf8'));
  } catch (error) {
    throw status >= 500 ? unavailable(`HTTP ${status}`, error) : malformed('the answer is not JSON', error);
  }
  if (typeof answer !== 'object' || answer === null || !('data' in answer || 'errors' in answer)) {
    throw malformed('the answer is not one of GraphQL');
  }
  const { data = null, errors = null } = answer as { data?: unknown; errors?: unknown };
  if (typeof data !== 'object' || Array.isArray(data)) throw malformed('its data are no object');
  if (errors !== null && !(Array.isArray(errors) && errors.every(isError))) {
    throw malformed('its errors are none of GraphQL');
  }
  const { sources, calls } =
    (answer as { extensions?: { sources?: Record<string, Noted>; calls?: Record<string, number> } }).extensions ?? {};
  for (const [source, state] of Object.entries(sources ?? {})) call.noted.set(source, state);
  for (const [source, count] of Object.entries(calls ?? {})) {
    call.calls?.set(source, (call.calls.get(source) ?? 0) + count);
  }
  return errors === null ? { data: data as Record<string, unknown> | null } : (answer as SubgraphResponse);
}

/** Has the members that we read, in their forms. */
function isError(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { message, path, extensions } = value as { message?: unknown; path?: unknown; extensions?: unknown };
  return (
    typeof message === 'string' &&
    (path === undefined ||
      path === null ||
      (Array.isArray(path) && path.every((one) => typeof one === 'string' || typeof one === 'number'))) &&
    (extensions === undefined || extensions === null || typeof extensions === 'object')
  );
}
