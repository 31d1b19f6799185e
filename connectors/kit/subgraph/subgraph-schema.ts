/** Builds a Federation 2 subgraph from a connector's graph: schema, SDL, `_service`, `_entities`; and executes requests. */
import { printSchemaWithDirectives } from '@graphql-tools/utils';
import {
  type ASTNode,
  buildASTSchema,
  type DefinitionNode,
  type DocumentNode,
  type ExecutionResult,
  execute,
  extendSchema,
  type GraphQLSchema,
  type GraphQLUnionType,
  isObjectType,
  isScalarType,
  isUnionType,
  Kind,
  parse,
  print,
  printType,
  specifiedDirectives,
  validate,
  visit,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import { buildSchema, Resolver } from 'type-graphql';
import { FEDERATION, FEDERATION_DIRECTIVES, SERIES_COST } from '../../../schema/graph/directives.ts';
import { SCALARS } from '../../../schema/graph/scalars.ts';
import { Money, PageInfo, Provenance, Quantity } from '../../../schema/graph/shared.ts';
import type { SubgraphRequest, SubgraphResponse } from '../call.ts';
import type { DecoratedGraph, Graph, GraphContext, SdlGraph } from '../connector.ts';
import type { Log } from '../log.ts';
import { toPublicError } from './public-error.ts';
import { addRowChecks, createEntityCheck } from './row-rights-check.ts';

export interface BuiltGraph {
  readonly name: string;
  readonly schema: GraphQLSchema;
  readonly sdl: string;
}

const ENTITY_SDL = /^(type|interface) (\w+)[^{\n]*@key\(/gm;

/** Builds schema and SDL. Without root query fields, Query consists of the federation fields. Throws if a type has no row rule. */
export async function buildGraph(name: string, graph: Graph): Promise<BuiltGraph> {
  if ('sdl' in graph) return buildFromSdl(name, graph);
  const raw = await buildDecoratedSchema(graph);
  return assemble(name, raw, printSdl(raw), graph);
}

const printSdl = (raw: GraphQLSchema): string =>
  printSchemaWithDirectives(raw, { assumeValid: true }).replace(/^schema\s*\{[^}]*\}\s*/m, '');

function buildDecoratedSchema(graph: Pick<DecoratedGraph, 'resolvers' | 'types'>): Promise<GraphQLSchema> {
  return buildSchema({
    // biome-ignore lint/complexity/noBannedTypes: type-graphql takes classes as Function
    resolvers: [...graph.resolvers] as unknown as [Function, ...Function[]],
    orphanedTypes: [...(graph.types ?? [])],
    directives: [...specifiedDirectives],
    skipCheck: true,
    validate: false,
    // The gateway delivers subscriptions from the event log; nothing is published here.
    pubSub: {
      publish: () => undefined,
      subscribe: () =>
        ({ [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }) }) as never,
    },
    // Resolver classes are stateless: one instance each.
    container: { get: (target: new () => object) => singletonOf(target) },
  });
}

function assemble(
  name: string,
  raw: GraphQLSchema,
  body: string,
  graph: Pick<Graph, 'references' | 'rows'>,
): BuiltGraph {
  const used = FEDERATION_DIRECTIVES.filter((directive) => new RegExp(`${directive}\\b`).test(body));
  const link = (url: string, names: readonly string[]) =>
    `@link(url: "${url}", import: [${names.map((directive) => `"${directive}"`).join(', ')}])`;
  // Composition drops directives that it does not know, unless the subgraph says that they be composed.
  const { name: own, url, definition } = SERIES_COST;
  const head = new RegExp(`${own}\\b`).test(body)
    ? `extend schema ${link(FEDERATION, [...used, '@composeDirective'])} ${link(url, [own])} @composeDirective(name: "${own}")\n\n${definition}`
    : `extend schema ${link(FEDERATION, used)}`;
  const sdl = `${head}\n\n${body.trim()}\n`;
  const entities = [...body.matchAll(ENTITY_SDL)]
    .filter((match) => isResolvable(body, match.index))
    .map((match) => match[2] ?? '');
  const schema = addFederation(raw, sdl, entities, graph);
  addRowChecks(name, schema, graph.rows);
  return { name, sdl, schema };
}

/** Builds a graph from SDL: adds the shared types that it references, and attaches our scalars and its resolvers. */
async function buildFromSdl(name: string, graph: SdlGraph): Promise<BuiltGraph> {
  sharedSchema ??= buildDecoratedSchema({ resolvers: [EmptyResolver], types: [Provenance, PageInfo, Money, Quantity] });
  const shared = await sharedSchema;
  const own = parse(graph.sdl);
  const texts = new Map(parse(printSdl(shared)).definitions.map((one) => ['name' in one ? one.name?.value : '', one]));
  const added = new Map<string, DefinitionNode>();
  const add = (node: ASTNode): void => {
    visit(node, {
      NamedType: ({ name: { value } }) => {
        if (added.has(value)) return;
        const scalar = SCALARS.get(value);
        const found = texts.get(value) ?? (scalar ? parse(printType(scalar)).definitions[0] : undefined);
        if (!found) return;
        added.set(value, found);
        add(found);
      },
    });
  };
  add(own);
  const body = print({ kind: Kind.DOCUMENT, definitions: [...own.definitions, ...added.values()] });
  const schema = buildASTSchema(parse(body), { assumeValid: true, assumeValidSDL: true });
  for (const type of Object.values(schema.getTypeMap())) {
    const scalar = isScalarType(type) ? SCALARS.get(type.name) : undefined;
    if (scalar) {
      const { serialize, parseValue, parseLiteral } = scalar;
      Object.assign(type, { serialize, parseValue, parseLiteral });
    }
    if (!isObjectType(type)) continue;
    for (const [field, resolve] of Object.entries(graph.fields[type.name] ?? {})) {
      const found = type.getFields()[field];
      if (!found) throw new Error(`${name}: ${type.name}.${field} has a resolver but is not in the SDL.`);
      found.resolve = (root, args, context) => resolve(root, args, context as GraphContext<object>);
    }
  }
  return assemble(name, schema, body, graph);
}

/** Gives a resolver to a schema of the shared types only, whose SDL is used in graphs made from SDL. */
@Resolver()
class EmptyResolver {}
let sharedSchema: Promise<GraphQLSchema> | undefined;

function isResolvable(body: string, at: number): boolean {
  const line = body.slice(at, body.indexOf('\n', at));
  return /@key\((?![^)]*resolvable: false)/.test(line);
}

const instances = new Map<new () => object, object>();
function singletonOf(target: new () => object): object {
  let instance = instances.get(target);
  if (!instance) {
    instance = new target();
    instances.set(target, instance);
  }
  return instance;
}

interface Representation {
  readonly __typename: string;
}

function addFederation(
  raw: GraphQLSchema,
  sdl: string,
  entities: readonly string[],
  { references = {}, rows }: Pick<Graph, 'references' | 'rows'>,
): GraphQLSchema {
  const union = entities.length > 0 ? `scalar _Any union _Entity = ${entities.join(' | ')}` : '';
  const field = entities.length > 0 ? '_entities(representations: [_Any!]!): [_Entity]!' : '';
  const extension = parse(
    `${union} ${raw.getQueryType() ? '' : 'extend schema { query: Query }'} type _Service { sdl: String! } ${raw.getQueryType() ? 'extend ' : ''}type Query { _service: _Service! ${field} }`,
  );
  const schema = extendSchema(raw, extension, { assumeValid: true, assumeValidSDL: true });
  const fields = schema.getQueryType()?.getFields() ?? {};
  const checks = new Map(
    entities.map((name) => {
      const type = schema.getType(name);
      return [name, type ? createEntityCheck(type, rows, schema) : null];
    }),
  );
  const checked = (type: string, found: unknown, context: GraphContext<object>): unknown => {
    const check = checks.get(type);
    if (!check || context.rows.seesAll) return found;
    return found instanceof Promise ? found.then((value) => check(value, context.rows)) : check(found, context.rows);
  };
  if (fields['_service']) fields['_service'].resolve = () => ({ sdl });
  if (fields['_entities']) {
    fields['_entities'].resolve = (
      _root: unknown,
      args: { representations: readonly Representation[] },
      context: unknown,
    ) =>
      args.representations.map((representation) => {
        const { __typename: type } = representation;
        const reference = references[type];
        const found = reference ? reference(representation, context as GraphContext<object>) : representation;
        return withTypename(checked(type, found, context as GraphContext<object>), type);
      });
    const entity = schema.getType('_Entity');
    if (isUnionType(entity)) {
      (entity as GraphQLUnionType).resolveType = (value: { __typename?: string }) =>
        typeNames.get(value) ?? value.__typename;
    }
  }
  return schema;
}

/** The types of entity objects, kept apart so that the objects are not changed. */
const typeNames = new WeakMap<object, string>();
function withTypename(found: unknown, typename: string): unknown {
  if (found instanceof Promise) return found.then((value) => withTypename(value, typename));
  if (typeof found === 'object' && found !== null) typeNames.set(found, typename);
  return found;
}

/** Creates the function that executes requests. Documents are parsed and validated once. */
export function createExecutor(
  built: BuiltGraph,
  context: (request: SubgraphRequest) => GraphContext<object>,
  log: Log,
): (request: SubgraphRequest) => Promise<SubgraphResponse> {
  const documents = new LRUCache<string, DocumentNode>({ max: 2_000 });
  return async (request) => {
    let document = documents.get(request.query);
    if (!document) {
      try {
        document = parse(request.query);
      } catch (error) {
        return { errors: [{ message: (error as Error).message, extensions: { code: 'GRAPHQL_PARSE_FAILED' } }] };
      }
      const errors = validate(built.schema, document);
      if (errors.length > 0) {
        return {
          errors: errors.map(({ message }) => ({ message, extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } })),
        };
      }
      documents.set(request.query, document);
    }
    const result = (await execute({
      schema: built.schema,
      document,
      contextValue: context(request),
      variableValues: request.variables,
      operationName: request.operationName ?? null,
    })) as ExecutionResult;
    return {
      ...(result.data === undefined ? {} : { data: result.data as Record<string, unknown> | null }),
      ...(result.errors ? { errors: result.errors.map((error) => toPublicError(error, built.name, log)) } : {}),
    };
  };
}
