/** `isthmus gateway`: a Federation 2 gateway for any supergraph, without database, authentication or state. */
import type { Server as NetServer } from 'node:net';
import type { Log } from '../connectors/kit/log.ts';
import { createFederation, remoteSubgraph } from './federation/index.ts';
import { startApolloHandler } from './http/apollo-server.ts';
import { listen, PortError } from './http/server.ts';
import { Operations } from './operation/operations.ts';
import { UnreadBytes } from './trust/limits/unread-bytes.ts';
import { readFieldPolicy } from './trust/rights/field-policy.ts';

/** Document limits only, wide enough for ordinary clients of other graphs. */
export const STANDALONE_LIMITS = {
  text: 1_000_000,
  brackets: 500,
  tokens: 100_000,
  operations: 500,
  depth: 50,
  aliases: 500,
  rootFields: 200,
  directives: 2_000,
  fields: 50_000,
  rate: 0,
  answer: 256 * 1024 * 1024,
};
/** Bytes; twice the maximum response. */
const UNREAD_LIMITS = { unread: 512 * 1024 * 1024, unreadBytes: 512 * 1024 * 1024 };
/** Bytes of compiled operations: about 300 of ordinary size. */
const PLAN_CACHE_BYTES = 32 * 1024 * 1024;

export interface StandaloneGateway {
  readonly url: string;
  /** Switches to another supergraph. Rejects with `SupergraphError` and keeps the old one if the text is invalid. */
  reload(supergraph: string): Promise<void>;
  stop(): Promise<void>;
}

/** The text is not a valid supergraph; the message is meant for the operator. */
export class SupergraphError extends Error {
  override name = 'SupergraphError';
}

/** Throws `PortError` for a host that other machines can reach, unless `unprotected`. */
export function assertProtected(host: string, unprotected: boolean): void {
  if (/^(127\.|::1$|localhost$)/.test(host) || unprotected) return;
  throw new PortError(`HOST=${host} would expose the gateway without authentication. Add --unprotected to allow this.`);
}

/** Starts the gateway. Rejects with `SupergraphError` or `PortError`. */
export async function startStandaloneGateway(options: {
  supergraph: string;
  host: string;
  port: number;
  /** A port that `takePort` has taken already. */
  heldPort?: NetServer;
  unprotected: boolean;
  /** Milliseconds that one operation may take. */
  deadline: number;
  log: Log;
}): Promise<StandaloneGateway> {
  assertProtected(options.host, options.unprotected);
  const http = await listen({ ...options, idleTimeout: 60_000 + options.deadline });
  try {
    const readGraph = (supergraph: string) => {
      try {
        const federation = createFederation({
          supergraph,
          subgraphs: (name, url) => remoteSubgraph({ name, url }),
          log: options.log,
          cacheBytes: PLAN_CACHE_BYTES,
        });
        return { federation, policy: readFieldPolicy(supergraph) };
      } catch (error) {
        throw new SupergraphError(
          `SUPERGRAPH is not a valid supergraph: ${error instanceof Error ? error.message : error}. Use the output of a composition of Federation 2 subgraphs, such as schema/supergraph.graphql.`,
          { cause: error },
        );
      }
    };
    const operations = new Operations({
      ...readGraph(options.supergraph),
      limits: STANDALONE_LIMITS,
      timeout: options.deadline,
    });
    const graphqlHandler = await startApolloHandler(operations, { introspection: true, subscriptions: false });
    http.open({
      graphql: graphqlHandler,
      ready: async () => ({ ready: true, body: { ready: true } }),
      metrics: async () => ({ type: 'text/plain', body: '' }),
      authenticate: async () => null,
      unread: new UnreadBytes(UNREAD_LIMITS),
    });
    return {
      url: `http://localhost:${http.port}`,
      reload: async (supergraph) => operations.graph.replace(readGraph(supergraph)),
      stop: async () => {
        await http.close(3_000);
        await graphqlHandler.stop();
      },
    };
  } catch (error) {
    await http.close(0);
    throw error;
  }
}
