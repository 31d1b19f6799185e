/** The bench's subgraphs: a schema with resolvers and `_entities`, called in this process or served over HTTP. */
import { createServer, type Server } from 'node:http';
import {
  buildASTSchema,
  type DocumentNode,
  type ExecutionResult,
  execute,
  type GraphQLError,
  type GraphQLSchema,
  type GraphQLUnionType,
  isObjectType,
  parse,
} from 'graphql';
import type { Subgraph, SubgraphError } from '../../connectors/kit/call.ts';

type Resolver = (source: unknown, args: Record<string, unknown>) => unknown;
export type FieldResolvers = Readonly<Record<string, Readonly<Record<string, Resolver>>>>;

const DIRECTIVES = /@(key|shareable|external|requires|provides)\b(\((?:"[^"]*"|[^)"])*\))?/g;

/** `references` by type: returns the entity with that id. */
export function buildSubgraph(
  sdl: string,
  resolvers: FieldResolvers,
  references: Readonly<Record<string, (id: unknown) => unknown>>,
): GraphQLSchema {
  const union = `scalar _Any union _Entity = ${Object.keys(references).join(' | ')} extend type Query { _entities(representations: [_Any!]!): [_Entity]! }`;
  const schema = buildASTSchema(parse(`${sdl.replace(DIRECTIVES, '')} ${union}`), { assumeValidSDL: true });
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const [name, resolve] of Object.entries(resolvers[type.name] ?? {})) {
      const field = type.getFields()[name];
      if (field) field.resolve = (source, args) => resolve(source, args as Record<string, unknown>);
    }
  }
  const types = new WeakMap<object, string>();
  const entities = schema.getQueryType()?.getFields()['_entities'];
  if (!entities) throw new Error('unreachable: the field is in the text above');
  entities.resolve = (_, args) =>
    (args as { representations: { __typename: string; id: unknown }[] }).representations.map((representation) => {
      const entity = references[representation.__typename]?.(representation.id) ?? null;
      if (entity) types.set(entity as object, representation.__typename);
      return entity;
    });
  (schema.getType('_Entity') as GraphQLUnionType).resolveType = (value) => types.get(value as object);
  return schema;
}

/** The schema as a subgraph of this process. `onRequest` is called for every request, not for resolvers called directly. */
export function inProcessSubgraph(name: string, sdl: string, schema: GraphQLSchema, onRequest: () => void): Subgraph {
  const documents = new Map<string, DocumentNode>();
  return {
    name,
    sdl,
    schema,
    inProcess: { createContext: (call) => ({ call }), toPublicError: toSubgraphError },
    execute: async ({ query, variables, call }) => {
      onRequest();
      const document = documents.get(query) ?? parse(query);
      documents.set(query, document);
      const result = (await execute({
        schema,
        document,
        variableValues: variables,
        contextValue: { call },
      })) as ExecutionResult;
      return {
        data: (result.data ?? null) as Record<string, unknown> | null,
        ...(result.errors ? { errors: result.errors.map(toSubgraphError) } : {}),
      };
    },
  };
}

const toSubgraphError = ({ message, path }: GraphQLError): SubgraphError => ({ message, path });

export interface ServedSubgraph {
  readonly url: string;
  /** Number of requests received so far. */
  count(): number;
  readonly server: Server;
}

/** Responses kept by one served subgraph. */
const MAX_CACHED = 20_000;

/** Serves the schema over HTTP. Responses are cached, so that the bench measures the gateway and not this server. */
export async function serveSubgraph(schema: GraphQLSchema, port: number): Promise<ServedSubgraph> {
  let requests = 0;
  const cache = new Map<string, Buffer>();
  const documents = new Map<string, DocumentNode>();
  const respond = async (body: string): Promise<Buffer> => {
    const { query, variables } = JSON.parse(body) as { query: string; variables?: Record<string, unknown> };
    const document = documents.get(query) ?? parse(query);
    documents.set(query, document);
    return Buffer.from(JSON.stringify(await execute({ schema, document, variableValues: variables ?? null })));
  };
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      requests++;
      const body = Buffer.concat(parts).toString('utf8');
      const send = (bytes: Buffer) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length });
        response.end(bytes);
      };
      const cached = cache.get(body);
      if (cached) return send(cached);
      respond(body).then(
        (bytes) => {
          if (cache.size < MAX_CACHED) cache.set(body, bytes);
          send(bytes);
        },
        (error: unknown) => {
          response.writeHead(400);
          response.end(String(error));
        },
      );
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const boundPort = (server.address() as { port: number }).port;
  return { url: `http://127.0.0.1:${boundPort}/graphql`, count: () => requests, server };
}
