/** A subgraph over HTTP: keep-alive connections, the call's deadline, a size limit, and cancellation when the client disconnects. */
import { LRUCache } from 'lru-cache';
import { Agent, type Dispatcher } from 'undici';
import type { Call, SourceCondition, Subgraph, SubgraphResponse } from '../../../connectors/kit/call.ts';
import { systemClock } from '../../../connectors/kit/clock.ts';
import { malformed, timeout, unavailable } from '../../../connectors/kit/errors.ts';
import { onAbort } from '../../../connectors/kit/guard/abort-listeners.ts';
import { bufferedResponseBytes } from '../../../connectors/kit/protocols/response-body.ts';
import { GRACE_PERIOD, MAX_TIMER } from './deadline.ts';

export interface RemoteOptions {
  readonly name: string;
  readonly url: string;
  readonly sdl?: string;
  /** Headers for one call, such as caller and deadline. `body` is the exact request body. */
  headers?(call: Call, body: string): Record<string, string>;
  /** Maximum size of a response in bytes; default: 16 MiB. */
  readonly maxBytes?: number;
}

/** Without timeouts of its own: `send` observes the call's deadline. */
const agent = new Agent({
  keepAliveTimeout: 30_000,
  connections: 64,
  pipelining: 1,
  headersTimeout: 0,
  bodyTimeout: 0,
  connect: { timeout: 2_000 },
});
const MAX_RESPONSE = 16 * 1024 * 1024;
/** Characters of cached operations, for each subgraph. */
const MAX_CACHED_CHARACTERS = 128 * 1024;
const HEADERS = { 'content-type': 'application/json', accept: 'application/json' };

/** Creates the subgraph. `execute` rejects with `SourceError`, also if the URL is invalid. */
export function remoteSubgraph(options: RemoteOptions): Subgraph {
  const { name, maxBytes = MAX_RESPONSE } = options;
  const address = URL.canParse(options.url) ? new URL(options.url) : null;
  /** The JSON of operations: plans send the same operations repeatedly. */
  const operationJson = new LRUCache<string, string>({
    maxSize: MAX_CACHED_CHARACTERS,
    sizeCalculation: (json) => json.length,
  });
  const bodyOf = (query: string, operationName: string | undefined, variables: unknown): string => {
    let text = operationJson.get(query);
    if (text === undefined) {
      text = JSON.stringify(query);
      operationJson.set(query, text);
    }
    const named = operationName ? `,"operationName":${JSON.stringify(operationName)}` : '';
    return `{"query":${text},"variables":${JSON.stringify(variables)}${named}}`;
  };
  return {
    name,
    sdl: options.sdl ?? '',
    execute: ({ query, operationName, variables, call }) => {
      if (!address) return Promise.reject(unavailable(`subgraph URL is invalid: ${options.url}`));
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

/** Sends one request. Rejects with `SourceError`. */
function send(request: Dispatcher.DispatchOptions, call: Call, maxBytes: number): Promise<SubgraphResponse> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    let reservedBytes = 0;
    let status = 0;
    let abortReason: Error | null = null;
    let controller: Dispatcher.DispatchController | null = null;
    const stop = (reason: Error): void => {
      abortReason ??= reason;
      controller?.abort(abortReason);
    };
    const onTimeout = (): void => stop(timeout('no response in time'));
    const remaining = Math.min(Math.max(call.deadline - systemClock.monotonic(), 1) + GRACE_PERIOD, MAX_TIMER);
    const timer = setTimeout(onTimeout, remaining);
    const stopListening = onAbort(call.signal, onTimeout);
    const finish = (): void => {
      clearTimeout(timer);
      stopListening();
      bufferedResponseBytes.release(reservedBytes);
      reservedBytes = 0;
    };
    if (call.signal.aborted) onTimeout();
    agent.dispatch(request, {
      onRequestStart: (requestController) => {
        controller = requestController;
        if (abortReason) controller.abort(abortReason);
      },
      onResponseStart: (_, code) => {
        status = code;
      },
      onResponseData: (_, part) => {
        if (abortReason) return;
        size += part.length;
        bufferedResponseBytes.reserve(part.length);
        reservedBytes += part.length;
        if (bufferedResponseBytes.used > bufferedResponseBytes.limit)
          stop(unavailable('responses in progress exceed the memory limit of this process'));
        else if (size > maxBytes) stop(malformed(`response is larger than ${maxBytes} bytes`));
        else parts.push(part);
      },
      onResponseEnd: () => {
        try {
          resolve(parseResponse(parts, status, call));
        } catch (error) {
          reject(error as Error);
        } finally {
          finish();
        }
      },
      onResponseError: (_, error) => {
        finish();
        reject(abortReason ?? unavailable('no connection to the subgraph', error));
      },
    });
  });
}

function parseResponse(parts: readonly Buffer[], status: number, call: Call): SubgraphResponse {
  let response: unknown;
  try {
    response = JSON.parse((parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)).toString('utf8'));
  } catch (error) {
    throw status >= 500 ? unavailable(`HTTP ${status}`, error) : malformed('response is not JSON', error);
  }
  if (typeof response !== 'object' || response === null || !('data' in response || 'errors' in response)) {
    throw malformed('response is not a GraphQL response');
  }
  const { data = null, errors = null } = response as { data?: unknown; errors?: unknown };
  if (typeof data !== 'object' || Array.isArray(data)) throw malformed('data of the response is not an object');
  if (errors !== null && !(Array.isArray(errors) && errors.every(isSubgraphError))) {
    throw malformed('errors of the response are not GraphQL errors');
  }
  const { sources, calls } =
    (response as { extensions?: { sources?: Record<string, SourceCondition>; calls?: Record<string, number> } })
      .extensions ?? {};
  for (const [source, condition] of Object.entries(sources ?? {})) call.sourceConditions.set(source, condition);
  for (const [source, count] of Object.entries(calls ?? {})) {
    call.callCounts?.set(source, (call.callCounts.get(source) ?? 0) + count);
  }
  return errors === null ? { data: data as Record<string, unknown> | null } : (response as SubgraphResponse);
}

/** Whether the members that are read have the right types. */
function isSubgraphError(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { message, path, extensions } = value as { message?: unknown; path?: unknown; extensions?: unknown };
  return (
    typeof message === 'string' &&
    (path === undefined ||
      path === null ||
      (Array.isArray(path) && path.every((key) => typeof key === 'string' || typeof key === 'number'))) &&
    (extensions === undefined || extensions === null || typeof extensions === 'object')
  );
}
