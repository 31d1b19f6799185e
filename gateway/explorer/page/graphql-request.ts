/** How the page asks the hub: queries and mutations by HTTP, subscriptions by WebSocket, each with the token of the session. */
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { getOperationAST, parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { follow } from '../../client/index.ts';
import type { Words } from './messages.ts';
import { type Delivery, recentOf } from './recent-operations.ts';
import type { Session } from './session.ts';

interface Request {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
}
interface Options {
  /** Of the headers editor. */
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * What the editor says of a document may be some keystrokes behind it, so it is read anew: a lone operation is the one
 * meant, whatever it was called before. A document that does not parse goes to the hub, whose error is the better one.
 */
function readAnew(request: Request) {
  try {
    const document = parse(request.query);
    const lone = getOperationAST(document);
    const operation = lone ?? getOperationAST(document, request.operationName);
    return {
      request: lone ? { ...request, operationName: lone.name?.value } : request,
      kind: operation?.operation,
      resumes: operation?.variableDefinitions?.some((one) => one.variable.name.value === 'after') ?? false,
    };
  } catch {
    return { request, kind: undefined, resumes: false };
  }
}

/** The authorization of the headers editor goes before the session's. */
const ownAuthorization = ({ headers = {} }: Options): unknown =>
  Object.entries(headers).find(([name]) => name.toLowerCase() === 'authorization')?.[1];

/** A fetcher for GraphiQL; `address` is that of the graph. Faults of the page's own are answers with errors, as the hub's are. */
export function makeFetcher(address: URL, session: Session, words: Words) {
  const socketAddress = new URL(address);
  socketAddress.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';

  /** Rejects where the sign-in has ended: without its token one would ask as somebody else. */
  const authorization = async (options: Options): Promise<string | null> => {
    const own = ownAuthorization(options);
    if (own !== undefined) return String(own);
    const token = await session.token();
    if (session.state.kind === 'ended') throw new Error(session.state.message);
    return token === null ? null : `Bearer ${token}`;
  };
  const overHttp = createGraphiQLFetcher({
    url: address.href,
    enableIncrementalDelivery: false,
    fetch: async (target, init) => {
      const answer = await fetch(target, init);
      const sent = new Headers(init?.headers).get('authorization');
      if (answer.status === 401 && sent !== null && sent === `Bearer ${await session.token()}`) {
        const body = (await answer.clone().json()) as { errors?: { message: string }[] };
        session.refused(body.errors?.[0]?.message ?? '');
      }
      return answer;
    },
  });

  const overSocket = (request: Request, options: Options, resumes: boolean): AsyncIterable<Delivery> => {
    const connectionParams = async (): Promise<Record<string, unknown>> => {
      const value = await authorization(options);
      return value === null ? {} : { authorization: value };
    };
    const url = socketAddress.href;
    const { query, variables } = request;
    const operationName = request.operationName ?? undefined;
    if (resumes) {
      const after = (variables?.['after'] ?? null) as string | null;
      return follow({ url, query, operationName, ...(variables ? { variables } : {}), after, connectionParams });
    }
    const socket = createClient({ url, lazy: true, retryAttempts: 10, connectionParams });
    return socket.iterate({ query, operationName, variables: variables ?? null }) as AsyncIterable<Delivery>;
  };

  /** Behind the last cursor after any break, where the document takes `$after`. */
  return async (given: Request, options: Options = {}) => {
    const { request, kind, resumes } = readAnew(given);
    let value: string | null;
    try {
      value = await authorization(options);
    } catch (error) {
      return { errors: [{ message: (error as Error).message }] };
    }
    if (kind === 'subscription') {
      const deliveries = overSocket(request, options, resumes)[Symbol.asyncIterator]();
      const ended = () => (session.state.kind === 'ended' ? new Error(session.state.message) : undefined);
      const over = session.subscribe(() => {
        if (ended()) void deliveries.return?.();
      });
      return recentOf(deliveries, { why: ended, over });
    }
    const headers = { ...options.headers, ...(value === null ? {} : { authorization: value }) };
    try {
      return await overHttp(request as never, { ...options, headers } as never);
    } catch {
      return { errors: [{ message: words.hubAway }] };
    }
  };
}
