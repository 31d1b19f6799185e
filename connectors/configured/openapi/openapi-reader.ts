/** Reads OpenAPI descriptions and calls their operations, both through GraphQL Mesh. Loaded only when an installation needs it. */
import { MapperKind, mapSchema } from '@graphql-tools/utils';
import {
  execute,
  GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLOutputType,
  GraphQLScalarType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isEnumType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  isScalarType,
  isUnionType,
  Kind,
  parse,
} from 'graphql';
import { Agent, request } from 'undici';
import { DeclarationError, malformed, rejected, SourceError, unavailable } from '../../kit/errors.ts';
import { readResponse } from '../../kit/protocols/response-body.ts';
import type { FieldType } from '../core/declaration.ts';
import { findOperation, type Operation, type Reader, type ResultField } from '../core/source-description.ts';
import { collectDocuments } from '../description/description-documents.ts';
import type { ParsedDescription } from '../description/description-drift.ts';
import { type DescriptionText, readDescriptionText } from '../description/description-source.ts';
import type { InstallationEndpoint } from '../description/fetch-description.ts';
import { validateDescription } from './validate-description.ts';

/** A description, read once for all installations that share it. */
export interface OpenApiDescription extends ParsedDescription {
  /** The schema of GraphQL Mesh, with responses as raw JSON. */
  readonly schema: GraphQLSchema;
  /** The schema of GraphQL Mesh with the described types. */
  readonly described: GraphQLSchema;
}

/** Any JSON value, unchanged. Only used between GraphQL Mesh and the mapping. */
const RAW_JSON = new GraphQLScalarType({ name: 'RawJson', serialize: (value) => value });

/** Types of the graph by scalar of GraphQL Mesh; others need a declared type. */
const SCALARS: Readonly<Record<string, FieldType>> = {
  String: 'String',
  ID: 'ID',
  Int: 'Int',
  Float: 'Float',
  Boolean: 'Boolean',
  DateTime: 'DateTime',
  Date: 'Date',
  BigInt: 'Decimal',
  PositiveInt: 'Int',
  NonNegativeInt: 'Int',
  PositiveFloat: 'Float',
  NonNegativeFloat: 'Float',
  URL: 'String',
  UUID: 'String',
  EmailAddress: 'String',
  NonEmptyString: 'String',
};

/** Base URL in the calls of GraphQL Mesh; replaced by that of the installation. */
const PLACEHOLDER_URL = 'http://isthmus.invalid';

/** Reads the description `source`, a file in `folder` or a URL, with the headers of the endpoint at that origin. Rejects with `DeclarationError`. */
export async function readOpenApi(
  source: string,
  folder: string,
  endpoints: readonly InstallationEndpoint[],
  alreadyRead?: DescriptionText,
): Promise<OpenApiDescription> {
  const text = alreadyRead ?? (await readDescriptionText(source, folder, endpoints));
  validateDescription(source, text);
  const { root, texts } = await collectDocuments(source, text, endpoints);
  const { default: Handler } = await import('@graphql-mesh/openapi');
  const quiet = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
    log: () => undefined,
  };
  const logger = { ...quiet, child: () => logger };
  try {
    const handler = new Handler({
      name: 'source',
      config: { source: root, endpoint: PLACEHOLDER_URL },
      baseDir: folder,
      // Nothing is cached between runs.
      store: { proxy: () => ({ getWithSet: (compute: () => unknown) => compute() }) },
      pubsub: { publish: () => undefined, subscribe: () => undefined },
      logger,
      importFn: () => Promise.reject(new Error('a description must not load code')),
    } as never);
    const fetchFn = (url: string): Response => {
      const document = texts.get(url);
      if (document === undefined) throw new Error('the description refers to a document that was not loaded');
      return new Response(document, { headers: { 'content-type': 'application/json' } });
    };
    const { schema: described } = await (
      handler as { getMeshSource(options: object): Promise<{ schema: GraphQLSchema }> }
    ).getMeshSource({ fetchFn });
    return {
      operations: operationsOf(described),
      digest: text.digest,
      described,
      schema: withRawResponses(described),
    };
  } catch (error) {
    if (error instanceof DeclarationError) throw error;
    throw new DeclarationError(
      `The description ${source} cannot be read as OpenAPI.`,
      (error as Error).message.split('\n')[0],
    );
  }
}

/** Returns responses unconverted: the mapping reads them, and its errors name the invalid field. */
const withRawResponses = (schema: GraphQLSchema): GraphQLSchema =>
  mapSchema(schema, { [MapperKind.ROOT_FIELD]: (field) => ({ ...field, type: RAW_JSON }) });

function operationsOf(schema: GraphQLSchema): Map<string, Operation> {
  return new Map(
    Object.values(schema.getQueryType()?.getFields() ?? {}).map((field) => [
      field.name,
      {
        name: field.name,
        summary: field.description?.trim() || null,
        ...endpointOf(field),
        arguments: field.args.map((argument) => ({
          name: argument.name,
          required: isNonNullType(argument.type) && argument.defaultValue === undefined,
          list: isListType(getNullableType(argument.type)),
          commaSeparated: /comma/i.test(argument.description ?? ''),
        })),
        resultAt: (path: readonly string[]) => resultAt(field, path),
      },
    ]),
  );
}

/** Method and path from the directive of GraphQL Mesh, whose placeholders are `{args.id}`. */
function endpointOf(field: GraphQLField<unknown, unknown>): { endpoint?: string } {
  const directive = field.astNode?.directives?.find(({ name }) => name.value === 'httpOperation');
  const [method, path] = ['httpMethod', 'path'].map(
    (argument) => directive?.arguments?.find(({ name }) => name.value === argument)?.value,
  );
  if (method?.kind !== Kind.ENUM || path?.kind !== Kind.STRING) return {};
  return { endpoint: `${method.value} ${path.value.replace(/\?.*$/, '').replaceAll('{args.', '{')}` };
}

/** The object types of a result: for a union, all of its members. */
const objectTypesOf = (type: GraphQLNamedType) =>
  isUnionType(type) ? type.getTypes() : isObjectType(type) || isInterfaceType(type) ? [type] : [];

function resultAt(root: GraphQLField<unknown, unknown>, path: readonly string[]): ResultField | null {
  let field: { type: GraphQLOutputType; description?: string | null | undefined } = root;
  for (const step of path) {
    const next = objectTypesOf(getNamedType(field.type))
      .map((type) => type.getFields()[step] ?? type.getFields()[step.replace(/[^A-Za-z0-9_]/g, '_')])
      .find((member) => member !== undefined);
    if (!next) return null;
    field = next;
  }
  const type = getNamedType(field.type);
  return {
    type: isEnumType(type) ? 'String' : isScalarType(type) ? (SCALARS[type.name] ?? null) : null,
    list: isListType(getNullableType(field.type)),
    description:
      field.description?.trim() ||
      (isEnumType(type)
        ? `One of ${type
            .getValues()
            .map(({ name, value }) => String(value ?? name))
            .join(', ')}.`
        : null),
    members: [...new Set(objectTypesOf(type).flatMap((member) => Object.keys(member.getFields())))],
  };
}

/** Calls one installation. Opens no connection before the first call. */
export function createOpenApiReader(
  description: OpenApiDescription,
  settings: { readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly check: string | null },
): Reader {
  const agent = new Agent({ keepAliveTimeout: 5_000, connections: 8 });
  const base = settings.url.replace(/\/$/, '');

  const send = async (
    url: string,
    init: { method?: string; headers?: Record<string, string>; body?: unknown },
    nullIfNotFound: boolean,
    signal: AbortSignal,
  ) => {
    const response = await request(base + url.slice(PLACEHOLDER_URL.length), {
      method: (init.method ?? 'GET') as 'GET',
      headers: { accept: 'application/json', ...init.headers, ...settings.headers },
      ...(typeof init.body === 'string' ? { body: init.body } : {}),
      dispatcher: agent,
      signal,
    });
    const text = await readResponse(response, (bytes) => bytes.toString('utf8'));
    const { statusCode: status } = response;
    if (status === 404 && nullIfNotFound) return { status: 200, text: async () => 'null' };
    if (status >= 500 || status === 429) throw unavailable(`HTTP ${status}`);
    if (status >= 400) throw rejected(`HTTP ${status}`);
    try {
      JSON.parse(text);
    } catch (error) {
      throw malformed('the response is not JSON', error);
    }
    return { status, statusText: '', headers: new Map(), text: async () => text };
  };

  const reader: Reader = {
    operations: description.operations,
    call: async ({ operation: name, args, nullIfNotFound }, signal) => {
      const operation = findOperation(description, name);
      const field = operation && description.schema.getQueryType()?.getFields()[operation.name];
      if (!field) throw new Error(`The description has no operation ${name}.`);
      const used = field.args.filter((argument) => argument.name in args);
      const variables = used.map((argument) => `$${argument.name}: ${String(argument.type)}`).join(', ');
      const passed = used.map((argument) => `${argument.name}: $${argument.name}`).join(', ');
      const text =
        used.length > 0 ? `query (${variables}) { result: ${field.name}(${passed}) }` : `{ result: ${field.name} }`;
      const result = await execute({
        schema: description.schema,
        document: parse(text),
        variableValues: Object.fromEntries(
          used.map(({ name, type }) => [name, coerceArgument(args[name], String(getNamedType(type)))]),
        ),
        contextValue: { fetch: (url: string, init: object) => send(url, init, nullIfNotFound, signal) },
      });
      const error = result.errors?.[0];
      if (error) throw unwrapError(error);
      return (result.data as { result?: unknown } | null)?.result;
    },
    check: async (signal) => {
      if (settings.check !== null) {
        await reader.call({ operation: settings.check, args: {}, nullIfNotFound: false }, signal);
        return;
      }
      // Any response below 500 shows that the system is up, whether or not it knows this path.
      const response = await request(base, { method: 'GET', headers: settings.headers, dispatcher: agent, signal });
      await response.body.dump();
      if (response.statusCode >= 500) throw unavailable(`HTTP ${response.statusCode}`);
    },
    close: () => agent.destroy(),
  };
  return reader;
}

function coerceArgument(value: unknown, type: string): unknown {
  if (Array.isArray(value)) return value.map((item) => coerceArgument(item, type));
  return /Int$|Float$/.test(type) && typeof value === 'string' && value !== '' ? Number(value) : value;
}

/** The error that the call threw, without the GraphQL errors around it. */
function unwrapError(error: GraphQLError): unknown {
  for (
    let inner: unknown = error;
    inner instanceof Error;
    inner = (inner as GraphQLError).originalError ?? inner.cause
  ) {
    if (inner instanceof SourceError) return inner;
    if (!(inner instanceof GraphQLError)) return inner;
  }
  return malformed(error.message);
}
