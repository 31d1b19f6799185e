/** Test doubles: subgraphs over graphql-js, and the execution of the whole graph with the same resolvers. */
import {
  buildASTSchema,
  execute,
  type GraphQLError,
  type GraphQLFieldResolver,
  type GraphQLSchema,
  type GraphQLTypeResolver,
  isAbstractType,
  isObjectType,
  parse,
  validate,
} from 'graphql';
import type { Subgraph } from '../../../connectors/kit/call.ts';

const LINK =
  'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@external", "@requires", "@provides", "@override", "@inaccessible", "@interfaceObject"])\n';

const DIRECTIVES =
  /@(key|shareable|external|requires|provides|override|inaccessible|interfaceObject)\b(\((?:"[^"]*"|[^)"])*\))?/g;

// biome-ignore lint/suspicious/noExplicitAny: resolvers of all types are in one table
export type Resolver = (source: any, args: any) => unknown;
export type Resolvers = Readonly<Record<string, Readonly<Record<string, Resolver>>>>;
// biome-ignore lint/suspicious/noExplicitAny: a reference has the form of its key
export type References = Readonly<Record<string, (reference: any) => unknown>>;

const typeOf: GraphQLTypeResolver<unknown, unknown> = (value) => (value as { __typename: string }).__typename;

function createResolver(resolvers: Resolvers, references: References): GraphQLFieldResolver<unknown, unknown> {
  return (source, args, _context, info) => {
    const own = resolvers[info.parentType.name]?.[info.fieldName];
    if (own) return own(source, args);
    if (info.fieldName !== '_entities') return (source as Record<string, unknown> | undefined)?.[info.fieldName];
    return (args['representations'] as { __typename: string }[]).map(async (representation) => {
      const found = await references[representation.__typename]?.(representation);
      return found ? { __typename: representation.__typename, ...found } : null;
    });
  };
}

/** The schema of an SDL without directives of Federation. */
export function plainSchema(sdl: string, references: References = {}): GraphQLSchema {
  const entities = Object.keys(references).filter((name) => !new RegExp(`interface ${name}\\b`).test(sdl));
  const bare = sdl.replace(DIRECTIVES, '');
  const base = /type Query\b/.test(bare) ? bare : `${bare} type Query { _: Int }`;
  const extra =
    entities.length > 0
      ? `scalar _Any union _Entity = ${entities.join(' | ')} extend type Query { _entities(representations: [_Any!]!): [_Entity]! }`
      : '';
  return buildASTSchema(parse(`${base} ${extra}`), { assumeValidSDL: true });
}

export interface FakeSubgraph extends Subgraph {
  readonly requests: { query: string; variables: Readonly<Record<string, unknown>> }[];
  /** Add these members to use it as a subgraph of this process, whose resolvers are called directly. */
  readonly asInProcess: Required<Pick<Subgraph, 'schema' | 'inProcess'>>;
}

/** Attaches the resolver to all fields of the schema. */
function attachResolvers(schema: GraphQLSchema, resolve: GraphQLFieldResolver<unknown, unknown>): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith('__')) continue;
    if (isObjectType(type)) for (const field of Object.values(type.getFields())) field.resolve = resolve;
    if (isAbstractType(type)) type.resolveType = typeOf;
  }
  return schema;
}

/** A subgraph over graphql-js that records its requests. */
export function fakeSubgraph(
  name: string,
  sdl: string,
  resolvers: Resolvers,
  references: References = {},
): FakeSubgraph {
  const schema = plainSchema(sdl, references);
  const requests: { query: string; variables: Readonly<Record<string, unknown>> }[] = [];
  const fieldResolver = createResolver(resolvers, references);
  return {
    name,
    sdl: LINK + sdl,
    requests,
    asInProcess: {
      schema: attachResolvers(plainSchema(sdl, references), fieldResolver),
      inProcess: { createContext: () => ({}), toPublicError: toError },
    },
    execute: async ({ query, variables }) => {
      requests.push({ query, variables });
      const document = parse(query);
      const errors = validate(schema, document);
      if (errors.length > 0) return { data: null, errors: errors.map(toError) };
      const result = await execute({
        schema,
        document,
        variableValues: variables,
        typeResolver: typeOf,
        fieldResolver,
      });
      return {
        data: (result.data ?? null) as Record<string, unknown> | null,
        ...(result.errors ? { errors: result.errors.map(toError) } : {}),
      };
    },
  };
}

const toError = (error: GraphQLError) => ({
  message: error.message,
  path: error.path,
  extensions: { code: 'SOURCE_REJECTED', ...error.extensions },
});

/** Executes a query with graphql-js on one schema with all types. */
export async function executeWhole(
  schema: GraphQLSchema,
  resolvers: Resolvers,
  query: string,
  variables: Record<string, unknown>,
): Promise<{
  data: Record<string, unknown> | null;
  errors?: readonly { readonly message: string; readonly path?: readonly (string | number)[] | undefined }[];
}> {
  const result = await execute({
    schema,
    document: parse(query),
    variableValues: variables,
    typeResolver: typeOf,
    fieldResolver: createResolver(resolvers, {}),
  });
  return {
    data: JSON.parse(JSON.stringify(result.data ?? null)) as Record<string, unknown> | null,
    ...(result.errors ? { errors: result.errors } : {}),
  };
}
