/** `isthmus gateway`: a general Federation 2 gateway for any supergraph; no database, no sign-in, no state. */
import type { Server as HeldPort } from 'node:net';
import type { Log } from '../connectors/kit/log.ts';
import { createFederation, remoteSubgraph } from './federation/index.ts';
import { graphqlFace } from './http/apollo-server.ts';
import { listen, PortError } from './http/server.ts';
import { Operations } from './operation/operations.ts';
import { UnreadBytes } from './trust/limits/unread-bytes.ts';
import { readPolicy } from './trust/rights/field-policy.ts';

/** Only document limits, wide enough for ordinary clients of other graphs. */
export const PLAIN_LIMITS = {
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
/** Answers may be as large as half of it. */
const UNREAD = { unread: 512 * 1024 * 1024, unreadBytes: 512 * 1024 * 1024 };
/** Of what was compiled, in bytes: some three hundred questions of ordinary size. */
const KEPT = 32 * 1024 * 1024;

export interface PlainGateway {
  readonly url: string;
  /** Another supergraph from now on; rejects, and goes on with the old one, when the text is none. */
  reload(supergraph: string): Promise<void>;
  stop(): Promise<void>;
}

/** The text is no supergraph that can be served; the message is a sentence for people. */
export class SupergraphError extends Error {
  override name = 'CommandError';
}

/** Throws `PortError` when the address is open to others and nobody has said that this is meant. */
export function refuseUnprotected(host: string, unprotected: boolean): void {
  if (/^(127\.|::1$|localhost$)/.test(host) || unprotected) return;
  throw new PortError(
    `HOST=${host} would open the gateway to others without any sign-in; add --unprotected if that is meant.`,
  );
}

/** Serves until stopped. Rejects with `SupergraphError`, or `PortError`. */
export async function startGateway(options: {
  supergraph: string;
  host: string;
  port: number;
  /** The port, when it has been taken before. */
  held?: HeldPort;
  unprotected: boolean;
  /** How long one operation may take, in milliseconds. */
  deadline: number;
  log: Log;
}): Promise<PlainGateway> {
  refuseUnprotected(options.host, options.unprotected);
  const http = await listen({ ...options, silence: 60_000 + options.deadline });
  try {
    const read = (supergraph: string) => {
      try {
        const federation = createFederation({
          supergraph,
          subgraphs: (name, url) => remoteSubgraph({ name, url }),
          log: options.log,
          kept: KEPT,
        });
        return { federation, policy: readPolicy(supergraph) };
      } catch (error) {
        throw new SupergraphError(
          `The file in SUPERGRAPH is no supergraph that can be served: ${error instanceof Error ? error.message : error}. Name one that a composition of Federation 2 subgraphs has made, such as schema/supergraph.graphql.`,
          { cause: error },
        );
      }
    };
    const operations = new Operations({
      ...read(options.supergraph),
      limits: PLAIN_LIMITS,
      time: options.deadline,
    });
    const face = await graphqlFace(operations, { introspection: true, subscriptions: false });
    http.open({
      graphql: face,
      ready: async () => ({ ready: true, body: { ready: true } }),
      metrics: async () => ({ type: 'text/plain', body: '' }),
      principal: async () => null,
      unread: new UnreadBytes(UNREAD),
    });
    return {
      url: `http://localhost:${http.port}`,
      reload: async (supergraph) => operations.replace(read(supergraph)),
      stop: async () => {
        await http.close(3_000);
        await face.stop();
      },
    };
  } catch (error) {
    await http.close(0);
    throw error;
  }
}
