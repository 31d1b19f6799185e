/** Parses the operation of a request for a stream, from its body or its URL. */
import type { IncomingMessage } from 'node:http';
import { HubError } from '../../../connectors/kit/errors.ts';

export interface OperationInput {
  readonly query: string;
  readonly operationName?: string | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export const badRequest = (message: string): HubError => new HubError('BAD_REQUEST', message);

/**
 * The operation in a JSON body (POST) or in the URL (GET). Throws a `HubError` when it is invalid, or when a page could have sent it without a
 * preflight.
 */
export function parseOperation(
  request: IncomingMessage,
  { search, body }: { readonly search: string; readonly body: Buffer },
): OperationInput {
  const isPost = request.method === 'POST';
  if (!isPost && request.method !== 'GET') throw badRequest('Streams are available by POST or GET only.');
  if (isPost && !/^application\/json\b/i.test(String(request.headers['content-type'] ?? '')))
    throw badRequest('Content-Type is not supported for streams. Use POST with application/json, or GET.');
  let raw: Record<string, unknown>;
  try {
    if (isPost) raw = JSON.parse(body.toString('utf8'));
    else {
      const parameters = new URLSearchParams(search);
      raw = {
        query: parameters.get('query') ?? undefined,
        operationName: parameters.get('operationName') ?? undefined,
      };
      const variables = parameters.get('variables');
      if (variables) raw['variables'] = JSON.parse(variables);
    }
  } catch {
    throw badRequest(isPost ? 'Request body is not valid JSON.' : 'Parameter "variables" is not valid JSON.');
  }
  const { query, operationName, variables, extensions } = raw ?? {};
  if (typeof query !== 'string' || query === '')
    throw badRequest('"query" is missing. Send the text of one operation.');
  if (variables != null && (typeof variables !== 'object' || Array.isArray(variables)))
    throw badRequest('"variables" must be an object.');
  if (operationName != null && typeof operationName !== 'string') throw badRequest('"operationName" must be a string.');
  return {
    query,
    // GraphQL over HTTP treats an empty name as absent.
    operationName: operationName || undefined,
    variables: (variables ?? undefined) as OperationInput['variables'],
    ...asExtensions(extensions),
  };
}

/** The request's extensions, if they are an object. */
const asExtensions = (raw: unknown): { extensions?: Readonly<Record<string, unknown>> } =>
  typeof raw === 'object' && raw !== null ? { extensions: raw as Record<string, unknown> } : {};
