/** A subgraph behind HTTP: keep-alive, what is left of the deadline, a largest answer, and the client's going away. */
import { Agent, request } from 'undici';
import type { Call, Subgraph, SubgraphResponse } from '../../connectors/kit/connector.ts';
import { malformed, timeout, unavailable } from '../../connectors/kit/errors.ts';

export interface RemoteOptions {
  readonly name: string;
  readonly url: string;
  readonly sdl?: string;
  /** Headers for one call with this body: who asks, how much time is left. */
  headers?(call: Call, body: string): Record<string, string>;
  readonly maxBytes?: number;
}

const agent = new Agent({ keepAliveTimeout: 30_000, connections: 64, pipelining: 1, connect: { timeout: 2_000 } });
const LARGEST = 16 * 1024 * 1024;

export function remoteSubgraph(options: RemoteOptions): Subgraph {
  const { name, url, maxBytes = LARGEST } = options;
  return {
    name,
    sdl: options.sdl ?? '',
    execute: async ({ query, operationName, variables, call }) => {
      const left = Math.max(call.deadline - Date.now(), 1);
      const ended = AbortSignal.any([call.signal, AbortSignal.timeout(left + 200)]);
      let text: string;
      let status: number;
      const body = JSON.stringify({ query, variables, ...(operationName ? { operationName } : {}) });
      try {
        const answer = await request(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', accept: 'application/json', ...options.headers?.(call, body) },
          body,
          dispatcher: agent,
          signal: ended,
        });
        status = answer.statusCode;
        text = await readText(answer.body, maxBytes);
      } catch (error) {
        if (ended.aborted) throw timeout('no answer in time', error);
        throw error instanceof Error && 'detail' in error
          ? error
          : unavailable('the subgraph cannot be reached', error);
      }
      return understand(text, status, call);
    },
  };
}

async function readText(body: AsyncIterable<Buffer>, most: number): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > most) throw malformed(`the answer is larger than ${most} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function understand(text: string, status: number, call: Call): SubgraphResponse {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (error) {
    throw status >= 500 ? unavailable(`HTTP ${status}`, error) : malformed('the answer is not JSON', error);
  }
  if (typeof answer !== 'object' || answer === null || !('data' in answer || 'errors' in answer)) {
    throw malformed('the answer is not one of GraphQL');
  }
  const { sources } = (answer as { extensions?: { sources?: Record<string, 'stale' | 'down'> } }).extensions ?? {};
  for (const [source, state] of Object.entries(sources ?? {})) call.noted.set(source, state);
  return answer as SubgraphResponse;
}
