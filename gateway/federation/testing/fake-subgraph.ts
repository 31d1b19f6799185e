/** For the tests of this folder: subgraphs over graphql-js, a whole graph of the same resolvers, random operations. */
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
import type { Subgraph } from '../../../connectors/kit/connector.ts';

const LINK =
  'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@external", "@requires", "@provides", "@override", "@inaccessible", "@interfaceObject"])\n';

const DIRECTIVES =
  /@(key|shareable|external|requires|provides|override|inaccessible|interfaceObject)\b(\((?:"[^"]*"|[^)"])*\))?/g;

// biome-ignore lint/suspicious/noExplicitAny: resolvers of all types stand in one table
export type Resolver = (source: any, args: any) => unknown;
export type Resolvers = Readonly<Record<string, Readonly<Record<string, Resolver>>>>;
// biome-ignore lint/suspicious/noExplicitAny: a reference has the form of its key
export type References = Readonly<Record<string, (reference: any) => unknown>>;

const typeOf: GraphQLTypeResolver<unknown, unknown> = (value) => (value as { __typename: string }).__typename;

function resolver(resolvers: Resolvers, references: References): GraphQLFieldResolver<unknown, unknown> {
  return (source, args, _context, info) => {
    const own = resolvers[info.parentType.name]?.[info.fieldName];
    if (own) return own(source, args);
    if (info.fieldName !== '_entities') return (source as Record<string, unknown> | undefined)?.[info.fieldName];
    return (args['representations'] as { __typename: string }[]).map(async (one) => {
      const found = await references[one.__typename]?.(one);
      return found ? { __typename: one.__typename, ...found } : null;
    });
  };
}

/** The schema of an SDL without what only the composer reads. */
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

export interface Fake extends Subgraph {
  readonly requests: { query: string; variables: Readonly<Record<string, unknown>> }[];
  /** The same subgraph as one of this process, whose resolvers may be called directly. */
  readonly inside: Required<Pick<Subgraph, 'schema' | 'direct'>>;
}

/** Its resolvers stand in the schema too. */
function attach(schema: GraphQLSchema, resolve: GraphQLFieldResolver<unknown, unknown>): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith('__')) continue;
    if (isObjectType(type)) for (const field of Object.values(type.getFields())) field.resolve = resolve;
    if (isAbstractType(type)) type.resolveType = typeOf;
  }
  return schema;
}

/** A subgraph over graphql-js; keeps the requests that it got. */
export function fake(name: string, sdl: string, resolvers: Resolvers, references: References = {}): Fake {
  const schema = plainSchema(sdl, references);
  const requests: { query: string; variables: Readonly<Record<string, unknown>> }[] = [];
  const fieldResolver = resolver(resolvers, references);
  return {
    name,
    sdl: LINK + sdl,
    requests,
    inside: {
      schema: attach(plainSchema(sdl, references), fieldResolver),
      direct: { context: () => ({}), shown: toError },
    },
    execute: async ({ query, variables }) => {
      requests.push({ query, variables });
      const document = parse(query);
      const faults = validate(schema, document);
      if (faults.length > 0) return { data: null, errors: faults.map(toError) };
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

/** What graphql-js answers over one schema that holds everything. */
export async function whole(
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
    fieldResolver: resolver(resolvers, {}),
  });
  return {
    data: JSON.parse(JSON.stringify(result.data ?? null)) as Record<string, unknown> | null,
    ...(result.errors ? { errors: result.errors } : {}),
  };
}
