/** Sends queries and mutations over HTTP and subscriptions over WebSocket, with the token of the session. */
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { getOperationAST, parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { follow } from '../../client/index.ts';
import type { Messages } from './messages.ts';
import { type Delivery, viewSubscription } from './recent-deliveries.ts';
import type { Session } from './session.ts';

interface Request {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
}
interface Options {
  /** From the headers editor. */
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Parses the document again, since the operation name from the editor may be outdated: a single operation is executed whatever its
 * name. A document that does not parse is sent as it is, since the hub reports the better error.
 */
function inspectRequest(request: Request) {
  try {
    const document = parse(request.query);
    const single = getOperationAST(document);
    const operation = single ?? getOperationAST(document, request.operationName);
    return {
      request: single ? { ...request, operationName: single.name?.value } : request,
      kind: operation?.operation,
      resumes: operation?.variableDefinitions?.some(({ variable }) => variable.name.value === 'after') ?? false,
    };
  } catch {
    return { request, kind: undefined, resumes: false };
  }
}

/** `authorization` from the headers editor, which takes precedence over the session. */
const ownAuthorization = ({ headers = {} }: Options): unknown =>
  Object.entries(headers).find(([name]) => name.toLowerCase() === 'authorization')?.[1];

/** A fetcher for GraphiQL. `address`: URL of the GraphQL endpoint. Errors of the page are returned as GraphQL errors. */
export function createFetcher(address: URL, session: Session, messages: Messages) {
  const socketAddress = new URL(address);
  socketAddress.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';

  /** Rejects after the session has ended: without its token the request would run with another role. */
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
      const response = await fetch(target, init);
      const sent = new Headers(init?.headers).get('authorization');
      if (response.status === 401 && sent !== null && sent === `Bearer ${await session.token()}`) {
        const body = (await response.clone().json()) as { errors?: { message: string }[] };
        session.handleRejected(body.errors?.[0]?.message ?? '');
      }
      return response;
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
    // A document with `$after` resumes after the last cursor when the connection breaks.
    if (resumes) {
      const after = (variables?.['after'] ?? null) as string | null;
      return follow({ url, query, operationName, ...(variables ? { variables } : {}), after, connectionParams });
    }
    const socket = createClient({ url, lazy: true, retryAttempts: 10, connectionParams });
    return socket.iterate({ query, operationName, variables: variables ?? null }) as AsyncIterable<Delivery>;
  };

  return async (original: Request, options: Options = {}) => {
    const { request, kind, resumes } = inspectRequest(original);
    let value: string | null;
    try {
      value = await authorization(options);
    } catch (error) {
      return { errors: [{ message: (error as Error).message }] };
    }
    if (kind === 'subscription') {
      const deliveries = overSocket(request, options, resumes)[Symbol.asyncIterator]();
      const endReason = () => (session.state.kind === 'ended' ? new Error(session.state.message) : undefined);
      const onEnd = session.subscribe(() => {
        if (endReason()) void deliveries.return?.();
      });
      return viewSubscription(deliveries, { endReason, onEnd });
    }
    const headers = { ...options.headers, ...(value === null ? {} : { authorization: value }) };
    try {
      return await overHttp(request as never, { ...options, headers } as never);
    } catch {
      return { errors: [{ message: messages.hubUnreachable }] };
    }
  };
}
