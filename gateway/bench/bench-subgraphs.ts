/** The bench's subgraphs: a schema with resolvers and `_entities`, in this process or behind HTTP. */
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
import type { Subgraph, SubgraphError } from '../../connectors/kit/connector.ts';

type Resolver = (source: unknown, args: Record<string, unknown>) => unknown;
export type FieldResolvers = Readonly<Record<string, Readonly<Record<string, Resolver>>>>;

const DIRECTIVES = /@(key|shareable|external|requires|provides)\b(\((?:"[^"]*"|[^)"])*\))?/g;

/** `references`: from an entity's id to the entity. */
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
    (args as { representations: { __typename: string; id: unknown }[] }).representations.map((one) => {
      const found = references[one.__typename]?.(one.id) ?? null;
      if (found) types.set(found as object, one.__typename);
      return found;
    });
  (schema.getType('_Entity') as GraphQLUnionType).resolveType = (value) => types.get(value as object);
  return schema;
}

/** The same schema as a subgraph of this process; `count` hears of each request. */
export function inProcess(name: string, sdl: string, schema: GraphQLSchema, count: () => void): Subgraph {
  const documents = new Map<string, DocumentNode>();
  return {
    name,
    sdl,
    schema,
    direct: { context: (call) => ({ call }), shown },
    execute: async ({ query, variables, call }) => {
      count();
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
        ...(result.errors ? { errors: result.errors.map(shown) } : {}),
      };
    },
  };
}

const shown = ({ message, path }: GraphQLError): SubgraphError => ({ message, path });

export interface ServedSubgraph {
  readonly url: string;
  /** Requests so far. */
  count(): number;
  readonly server: Server;
}

/** Behind HTTP; answers that were once made are kept, so that the gateway's own cost is what is measured. */
export async function serveSubgraph(schema: GraphQLSchema, port: number): Promise<ServedSubgraph> {
  let requests = 0;
  const known = new Map<string, Buffer>();
  const documents = new Map<string, DocumentNode>();
  const answer = async (body: string): Promise<Buffer> => {
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
      const kept = known.get(body);
      if (kept) return send(kept);
      answer(body).then(
        (bytes) => {
          if (known.size < 20_000) known.set(body, bytes);
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
  const bound = (server.address() as { port: number }).port;
  return { url: `http://127.0.0.1:${bound}/graphql`, count: () => requests, server };
}
