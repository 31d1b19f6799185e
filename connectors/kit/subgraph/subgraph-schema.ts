/** From a connector's decorated classes to a Federation 2 subgraph: schema, SDL, `_service`, `_entities`, execution. */
import { randomUUID } from 'node:crypto';
import { printSchemaWithDirectives } from '@graphql-tools/utils';
import {
  type ASTNode,
  buildASTSchema,
  type DefinitionNode,
  type DocumentNode,
  type ExecutionResult,
  execute,
  extendSchema,
  GraphQLError,
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
import { FEDERATION, FEDERATION_DIRECTIVES } from '../../../schema/graph/directives.ts';
import { SCALARS } from '../../../schema/graph/scalars.ts';
import { Money, PageInfo, Provenance, Quantity } from '../../../schema/graph/shared.ts';
import type {
  DecoratedGraph,
  Graph,
  GraphContext,
  SubgraphError,
  SubgraphRequest,
  SubgraphResponse,
  WrittenGraph,
} from '../connector.ts';
import { HubError, publicError } from '../errors.ts';
import type { Log } from '../log.ts';
import { checkRows, entityCheck } from './row-rights-check.ts';

/** A connector's graph, built once. */
export interface BuiltGraph {
  readonly name: string;
  readonly schema: GraphQLSchema;
  readonly sdl: string;
}

const ENTITY_SDL = /^(type|interface) (\w+)[^{\n]*@key\(/gm;

/** Builds schema and SDL. A subgraph without root query fields gets a Query that holds only the federation fields. */
export async function buildGraph(name: string, graph: Graph): Promise<BuiltGraph> {
  if ('sdl' in graph) return fromText(name, graph);
  const raw = await decorated(graph);
  return assembled(name, raw, printed(raw), graph);
}

const printed = (raw: GraphQLSchema): string =>
  printSchemaWithDirectives(raw, { assumeValid: true }).replace(/^schema\s*\{[^}]*\}\s*/m, '');

function decorated(graph: Pick<DecoratedGraph, 'resolvers' | 'types'>): Promise<GraphQLSchema> {
  return buildSchema({
    // biome-ignore lint/complexity/noBannedTypes: type-graphql takes classes as Function
    resolvers: [...graph.resolvers] as unknown as [Function, ...Function[]],
    orphanedTypes: [...(graph.types ?? [])],
    directives: [...specifiedDirectives],
    skipCheck: true,
    validate: false,
    // Subscriptions are delivered by the gateway from the event log; nothing is ever published here.
    pubSub: {
      publish: () => undefined,
      subscribe: () =>
        ({ [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }) }) as never,
    },
    // Resolver classes hold no state: one object each is enough.
    container: { get: (target: new () => object) => instanceOf(target) },
  });
}

function assembled(
  name: string,
  raw: GraphQLSchema,
  body: string,
  graph: Pick<Graph, 'references' | 'rows'>,
): BuiltGraph {
  const used = FEDERATION_DIRECTIVES.filter((directive) => new RegExp(`${directive}\\b`).test(body));
  const sdl = `extend schema @link(url: "${FEDERATION}", import: [${used.map((one) => `"${one}"`).join(', ')}])\n\n${body.trim()}\n`;
  const entities = [...body.matchAll(ENTITY_SDL)]
    .filter((match) => isResolvable(body, match.index))
    .map((match) => match[2] ?? '');
  const schema = withFederation(raw, sdl, entities, graph);
  checkRows(name, schema, graph.rows);
  return { name, sdl, schema };
}

/** A graph as text: the shared types that it names are added, the house's scalars read and print, its resolvers are hung in. */
async function fromText(name: string, graph: WrittenGraph): Promise<BuiltGraph> {
  sharedSchema ??= decorated({ resolvers: [Nothing], types: [Provenance, PageInfo, Money, Quantity] });
  const shared = await sharedSchema;
  const own = parse(graph.sdl);
  const texts = new Map(parse(printed(shared)).definitions.map((one) => ['name' in one ? one.name?.value : '', one]));
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
    const house = isScalarType(type) ? SCALARS.get(type.name) : undefined;
    if (house)
      Object.assign(type, {
        serialize: house.serialize,
        parseValue: house.parseValue,
        parseLiteral: house.parseLiteral,
      });
    if (!isObjectType(type)) continue;
    for (const [field, resolve] of Object.entries(graph.fields[type.name] ?? {})) {
      const found = type.getFields()[field];
      if (!found) throw new Error(`${name}: ${type.name}.${field} has a resolver, but the text does not name it.`);
      found.resolve = (root, args, context) => resolve(root, args, context as GraphContext<object>);
    }
  }
  return assembled(name, schema, body, graph);
}

/** Whoever needs the shared types' text gets it from the classes that all other subgraphs are printed from. */
@Resolver()
class Nothing {}
let sharedSchema: Promise<GraphQLSchema> | undefined;

function isResolvable(body: string, at: number): boolean {
  const line = body.slice(at, body.indexOf('\n', at));
  return /@key\((?![^)]*resolvable: false)/.test(line);
}

const instances = new Map<new () => object, object>();
function instanceOf(target: new () => object): object {
  let one = instances.get(target);
  if (!one) {
    one = new target();
    instances.set(target, one);
  }
  return one;
}

interface Representation {
  readonly __typename: string;
}

function withFederation(
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
    entities.map((one) => {
      const type = schema.getType(one);
      return [one, type ? entityCheck(type, rows, schema) : null];
    }),
  );
  const checked = (type: string, found: unknown, context: GraphContext<object>): unknown => {
    const check = checks.get(type);
    if (!check || context.rows.all) return found;
    return found instanceof Promise ? found.then((one) => check(one, context.rows)) : check(found, context.rows);
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
        return named(checked(type, found, context as GraphContext<object>), type);
      });
    const entity = schema.getType('_Entity');
    if (isUnionType(entity)) {
      (entity as GraphQLUnionType).resolveType = (value: { __typename?: string }) =>
        typeNames.get(value) ?? value.__typename;
    }
  }
  return schema;
}

/** The type of an entity object, remembered beside it: the object itself stays as the connector made it. */
const typeNames = new WeakMap<object, string>();
function named(found: unknown, typename: string): unknown {
  if (found instanceof Promise) return found.then((value) => named(value, typename));
  if (typeof found === 'object' && found !== null) typeNames.set(found, typename);
  return found;
}

/** Executes requests against a built graph. Documents are parsed and checked once. */
export function executor(
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
      const faults = validate(built.schema, document);
      if (faults.length > 0) {
        return {
          errors: faults.map((one) => ({ message: one.message, extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } })),
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
      ...(result.errors ? { errors: result.errors.map((error) => shown(error, built.name, log)) } : {}),
    };
  };
}

/** How `getArgumentValues` of graphql-js begins its faults. */
const ARGUMENT = /^Argument "\w+" (has invalid value|of (required|non-null) type) /;
/** Characters of a message that repeats what the client sent. */
const LONGEST = 400;

/** A fault as clients may see it; the log has what they may not, under the same id. */
export function shown(error: GraphQLError, subgraph: string, log: Log): SubgraphError {
  const path = error.path ? { path: error.path } : {};
  const original = error.originalError;
  // What has no path was found before execution: a variable that cannot be read, whoever says so.
  if (error.path === undefined && !(original instanceof HubError)) {
    return { message: error.message, extensions: { code: 'BAD_USER_INPUT' } };
  }
  // A scalar's refusal of an argument comes as it is, or wrapped with its place; so does graphql-js's own (a null that a list may not hold).
  const isOfGraphql = original === undefined || original instanceof GraphQLError;
  if (isOfGraphql && (error.extensions['code'] === 'BAD_USER_INPUT' || ARGUMENT.test(error.message))) {
    return { message: error.message.slice(0, LONGEST), ...path, extensions: { code: 'BAD_USER_INPUT' } };
  }
  const errorId = randomUUID();
  const open = publicError(original ?? error, () => errorId);
  if (open.extensions['code'] === 'INTERNAL') {
    log.error('A resolver failed.', { errorId, subgraph, path: error.path?.join('.'), error: original ?? error });
  }
  return { message: open.message, ...path, extensions: open.extensions };
}
