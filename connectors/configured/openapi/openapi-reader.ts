/** A system with an OpenAPI description: GraphQL Mesh reads the description and makes the calls. Loaded only when configured. */
import { MapperKind, mapSchema } from '@graphql-tools/utils';
import {
  execute,
  GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLOutputType,
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
import { DeclarationError } from '../../kit/connector.ts';
import { malformed, rejected, SourceError, unavailable } from '../../kit/errors.ts';
import { readAnswer } from '../../kit/protocols/response-body.ts';
import type { FieldType } from '../core/declaration.ts';
import { type Operation, operationOf, type Place, type Reader } from '../core/source-description.ts';
import { documentsOf } from '../description/description-documents.ts';
import type { Offered } from '../description/description-drift.ts';
import { type DescriptionText, textOf } from '../description/description-source.ts';
import type { Caller } from '../description/fetch-description.ts';
import { JSONScalar } from './json-scalar.ts';
import { wellFormed } from './validate-description.ts';

/** A description, read once for all installations that name it. */
export interface OpenApi extends Offered {
  /** The whole as Mesh makes it, answers left as they are. */
  readonly schema: GraphQLSchema;
  /** For people: the types as Mesh reads them. */
  readonly described: GraphQLSchema;
}

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

/** Where calls go before the installation's own address stands in its place. */
const NOWHERE = 'http://isthmus.invalid';

/** Reads a description, a file beside `folder` or an address that is asked as the callers are; throws `DeclarationError`. */
export async function readOpenApi(
  source: string,
  folder: string,
  callers: readonly Caller[],
  given?: DescriptionText,
): Promise<OpenApi> {
  const text = given ?? (await textOf(source, folder, callers));
  wellFormed(source, text);
  const { root, texts } = await documentsOf(source, text, callers);
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
      config: { source: root, endpoint: NOWHERE },
      baseDir: folder,
      // Nothing is kept between two runs: the description itself is the truth.
      store: { proxy: () => ({ getWithSet: (make: () => unknown) => make() }) },
      pubsub: { publish: () => undefined, subscribe: () => undefined },
      logger,
      importFn: () => Promise.reject(new Error('a description runs no code')),
    } as never);
    const fetchFn = (url: string): Response => {
      const document = texts.get(url);
      if (document === undefined) throw new Error('the description refers to a document that was not read');
      return new Response(document, { headers: { 'content-type': 'application/json' } });
    };
    const made = await (
      handler as { getMeshSource(options: object): Promise<{ schema: GraphQLSchema }> }
    ).getMeshSource({ fetchFn });
    const described = made.schema;
    return {
      operations: operationsOf(described),
      digest: text.digest,
      described,
      schema: withPlainAnswers(described),
    };
  } catch (error) {
    if (error instanceof DeclarationError) throw error;
    throw new DeclarationError(
      `The description ${source} cannot be read as OpenAPI.`,
      (error as Error).message.split('\n')[0],
    );
  }
}

/** Answers as the system wrote them: our own mapping reads them and names the field that is wrong. */
const withPlainAnswers = (schema: GraphQLSchema): GraphQLSchema =>
  mapSchema(schema, { [MapperKind.ROOT_FIELD]: (field) => ({ ...field, type: JSONScalar }) });

function operationsOf(schema: GraphQLSchema): Map<string, Operation> {
  return new Map(
    Object.values(schema.getQueryType()?.getFields() ?? {}).map((field) => [
      field.name,
      {
        name: field.name,
        summary: field.description?.trim() || null,
        ...addressOf(field),
        arguments: field.args.map((one) => ({
          name: one.name,
          required: isNonNullType(one.type) && one.defaultValue === undefined,
          list: isListType(getNullableType(one.type)),
          many: /comma/i.test(one.description ?? ''),
        })),
        at: (path: readonly string[]) => placeAt(field, path),
      },
    ]),
  );
}

/** The path as Mesh notes it, `{args.id}` for what is filled in. */
function addressOf(field: GraphQLField<unknown, unknown>): { address?: string } {
  const noted = field.astNode?.directives?.find((one) => one.name.value === 'httpOperation')?.arguments ?? [];
  const [method, path] = ['httpMethod', 'path'].map((name) => noted.find((one) => one.name.value === name)?.value);
  if (method?.kind !== Kind.ENUM || path?.kind !== Kind.STRING) return {};
  return { address: `${method.value} ${path.value.replace(/\?.*$/, '').replaceAll('{args.', '{')}` };
}

/** The object types that may stand there: of a union, all of them. */
const membersOf = (type: GraphQLNamedType) =>
  isUnionType(type) ? type.getTypes() : isObjectType(type) || isInterfaceType(type) ? [type] : [];

function placeAt(root: GraphQLField<unknown, unknown>, path: readonly string[]): Place | null {
  let field: { type: GraphQLOutputType; description?: string | null | undefined } = root;
  for (const step of path) {
    const next = membersOf(getNamedType(field.type))
      .map((type) => type.getFields()[step] ?? type.getFields()[step.replace(/[^A-Za-z0-9_]/g, '_')])
      .find((one) => one !== undefined);
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
            .map((one) => String(one.value ?? one.name))
            .join(', ')}.`
        : null),
    parts: [...new Set(membersOf(type).flatMap((one) => Object.keys(one.getFields())))],
  };
}

/** One installation: its address, its headers, its connections. */
export function openApiReader(
  description: OpenApi,
  settings: { readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly check: string | null },
): Reader {
  const agent = new Agent({ keepAliveTimeout: 5_000, connections: 8 });
  const base = settings.url.replace(/\/$/, '');

  const send = async (
    url: string,
    init: { method?: string; headers?: Record<string, string>; body?: unknown },
    absent: boolean,
    signal: AbortSignal,
  ) => {
    const answer = await request(base + url.slice(NOWHERE.length), {
      method: (init.method ?? 'GET') as 'GET',
      headers: { accept: 'application/json', ...init.headers, ...settings.headers },
      ...(typeof init.body === 'string' ? { body: init.body } : {}),
      dispatcher: agent,
      signal,
    });
    const text = await readAnswer(answer, (bytes) => bytes.toString('utf8'));
    const { statusCode: status } = answer;
    if (status === 404 && absent) return { status: 200, text: async () => 'null' };
    if (status >= 500 || status === 429) throw unavailable(`HTTP ${status}`);
    if (status >= 400) throw rejected(`HTTP ${status}`);
    try {
      JSON.parse(text);
    } catch (error) {
      throw malformed('the answer is not JSON', error);
    }
    return { status, statusText: '', headers: new Map(), text: async () => text };
  };

  const reader: Reader = {
    operations: description.operations,
    ask: async ({ operation: name, given, absent }, signal) => {
      const operation = operationOf(description, name);
      const field = operation && description.schema.getQueryType()?.getFields()[operation.name];
      if (!field) throw new Error(`The description has no operation ${name}.`);
      const used = field.args.filter((one) => one.name in given);
      const variables = used.map((one) => `$${one.name}: ${String(one.type)}`).join(', ');
      const passed = used.map((one) => `${one.name}: $${one.name}`).join(', ');
      const text = used.length > 0 ? `query (${variables}) { it: ${field.name}(${passed}) }` : `{ it: ${field.name} }`;
      const result = await execute({
        schema: description.schema,
        document: parse(text),
        variableValues: Object.fromEntries(
          used.map((one) => [one.name, coerced(given[one.name], String(getNamedType(one.type)))]),
        ),
        contextValue: { fetch: (url: string, init: object) => send(url, init, absent, signal) },
      });
      const fault = result.errors?.[0];
      if (fault) throw sourceErrorOf(fault);
      return (result.data as { it?: unknown } | null)?.it;
    },
    check: async (signal) => {
      if (settings.check !== null) {
        await reader.ask({ operation: settings.check, given: {}, absent: false }, signal);
        return;
      }
      // An answer of HTTP shows that it is there; what it thinks of this path does not matter, unless it says that it is broken.
      const answer = await request(base, { method: 'GET', headers: settings.headers, dispatcher: agent, signal });
      await answer.body.dump();
      if (answer.statusCode >= 500) throw unavailable(`HTTP ${answer.statusCode}`);
    },
    close: () => agent.destroy(),
  };
  return reader;
}

function coerced(value: unknown, type: string): unknown {
  if (Array.isArray(value)) return value.map((one) => coerced(one, type));
  return /Int$|Float$/.test(type) && typeof value === 'string' && value !== '' ? Number(value) : value;
}

/** Mesh wraps what the call threw; the fault of the source is what counts. */
function sourceErrorOf(error: GraphQLError): unknown {
  for (let one: unknown = error; one instanceof Error; one = (one as GraphQLError).originalError ?? one.cause) {
    if (one instanceof SourceError) return one;
    if (!(one instanceof GraphQLError)) return one;
  }
  return malformed(error.message);
}
