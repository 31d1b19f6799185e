/** Queries generated from a schema: a path to every field of every type, with arguments for each. */
import {
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isLeafType,
  isObjectType,
  isRequiredArgument,
} from 'graphql';
import { literalOf, validValue } from './graph-arguments.ts';

/**
 * Arguments by coordinate (`Query.company`), as GraphQL text without parentheses; or a value by scalar (`Period`), or by argument
 * and scalar (`from: Period`). Without a sample, an argument gets a valid value that matches no record.
 */
export type Samples = Readonly<Record<string, string>>;

/** A generated query and what it selects. */
export interface GeneratedQuery {
  /** The type whose fields are selected. */
  readonly type: string;
  /** Path of the objects of that type in the response: names of fields; lists are flattened. */
  readonly path: readonly string[];
  readonly document: string;
}

/** One step of a path: a field, or the condition `... on Type`. */
interface Step {
  readonly text: string;
  /** Null for a condition. */
  readonly field: string | null;
  /** `Type.field`; null for a condition. */
  readonly coordinate: string | null;
}

interface TypePath {
  readonly type: GraphQLObjectType;
  readonly steps: readonly Step[];
  readonly length: number;
}

/** Length of a path, without connections, edges and conditions. */
const lengthOf = (steps: readonly Step[]): number =>
  steps.filter(({ field }) => field !== null && !/^(nodes|edges|node)$/.test(field)).length;

export class GeneratedQueries {
  readonly #schema: GraphQLSchema;
  readonly #samples: Samples;
  readonly #query: GraphQLObjectType;
  /** Paths from every included root field, in schema order. */
  readonly #paths: readonly TypePath[];

  /** `from` selects the root fields to start from; all by default. */
  constructor(schema: GraphQLSchema, samples: Samples, from: (root: string) => boolean = () => true) {
    this.#schema = schema;
    this.#samples = samples;
    this.#query = schema.getQueryType() as GraphQLObjectType;
    this.#paths = Object.values(this.#query.getFields())
      .filter(({ name }) => !name.startsWith('_') && from(name))
      .flatMap((root) => this.#pathsFrom(root));
  }

  /**
   * For each root field and each type at most `near` steps below it, one query for all fields of that type by the shortest
   * path; and one query for each type that is further from all roots.
   */
  forTypes(near: number): GeneratedQuery[] {
    return this.#paths
      .filter((path) => path.length <= near || this.#shortest(path.type) === path)
      .map(({ type, steps }) => ({
        type: type.name,
        path: steps.flatMap(({ field }) => field ?? []),
        document: nested(steps, this.selection(type, 1)),
      }));
  }

  /** The coordinates on the path to the field, the field last, and the query that selects the first `prefix` of them (default: all). */
  forField(type: string, field: string): { coordinates: string[]; document(prefix?: number): string } | null {
    const owner = this.#schema.getType(type);
    const mutation = this.#schema.getMutationType()?.name === type;
    if (!isObjectType(owner)) return null;
    const found = owner.getFields()[field];
    const way = mutation || owner === this.#query ? [] : this.#shortest(owner)?.steps;
    if (!way || !found) return null;
    const steps = [...way, this.#step(owner, found)];
    const fields = steps.filter((step) => step.coordinate !== null);
    return {
      coordinates: fields.map((field) => field.coordinate ?? ''),
      document: (prefix = fields.length) => {
        const end = fields[prefix - 1];
        const taken = end ? steps.slice(0, steps.indexOf(end) + 1) : [];
        const inner = prefix === fields.length ? this.#leaves(getNamedType(found.type)) : '{ __typename }';
        return `${mutation ? 'mutation ' : ''}${taken.length > 0 ? nested(taken, inner) : '{ __typename }'}`;
      },
    };
  }

  /** A query for the root field with all its fields, two objects deep. */
  forRootField(name: string): string {
    const field = this.#query.getFields()[name];
    if (!field) throw new Error(`There is no field Query.${name}.`);
    return nested([this.#step(this.#query, field)], this.selection(getNamedType(field.type), 2));
  }

  /** A mutation with that input and its whole payload, three objects deep. */
  forMutation(name: string, input: string): string {
    const field = this.#schema.getMutationType()?.getFields()[name];
    if (!field) throw new Error(`There is no mutation ${name}.`);
    return `mutation { ${name}(input: ${input}) ${this.selection(getNamedType(field.type), 3)} }`;
  }

  /** All fields of the type, with nested objects up to `depth` levels. */
  selection(type: GraphQLNamedType, depth: number): string {
    if (isLeafType(type)) return '';
    // For an interface, the fields that all its types have.
    const own =
      'getFields' in type ? Object.values(type.getFields() as ReturnType<GraphQLObjectType['getFields']>) : [];
    const fields = own.flatMap((field) => {
      const named = getNamedType(field.type);
      if (field.name.startsWith('_')) return [];
      if (isLeafType(named)) return [this.#call(type.name, field)];
      // A connection with its edges and nodes counts as one level.
      const left = /^(nodes|node|edges|pageInfo)$/.test(field.name) ? depth : depth - 1;
      if (left < 0 || !isObjectType(type)) return [];
      return [`${this.#call(type.name, field)} ${this.selection(named, left)}`];
    });
    return fields.length > 0 ? `{ ${fields.join(' ')} }` : '{ __typename }';
  }

  /** A selection of leaves of the type; of a connection only the total, because its nodes may require another permission. */
  #leaves(type: GraphQLNamedType): string {
    if (isLeafType(type)) return '';
    if (!isObjectType(type)) return '{ __typename }';
    const leaves = Object.values(type.getFields()).filter(
      (field) => isLeafType(getNamedType(field.type)) && !field.args.some(isRequiredArgument),
    );
    if (leaves.some((leaf) => leaf.name === 'totalCount')) return '{ totalCount }';
    return leaves.length > 0 ? `{ ${leaves.map((leaf) => leaf.name).join(' ')} }` : '{ __typename }';
  }

  #shortest(type: GraphQLObjectType): TypePath | undefined {
    return this.#paths
      .filter((path) => path.type === type)
      .reduce<TypePath | undefined>((best, one) => (best && best.length <= one.length ? best : one), undefined);
  }

  /** The shortest path to each object type below the root field. */
  #pathsFrom(root: GraphQLField<unknown, unknown>): TypePath[] {
    const ways = new Map<GraphQLObjectType, readonly Step[]>();
    const queue: GraphQLObjectType[] = [];
    const reach = (type: GraphQLNamedType, steps: readonly Step[]): void => {
      if (isAbstractType(type)) {
        for (const one of this.#schema.getPossibleTypes(type))
          reach(one, [...steps, { text: `... on ${one.name}`, field: null, coordinate: null }]);
      } else if (isObjectType(type) && !ways.has(type)) {
        ways.set(type, steps);
        queue.push(type);
      }
    };
    reach(getNamedType(root.type), [this.#step(this.#query, root)]);
    for (let type = queue.shift(); type; type = queue.shift()) {
      const steps = ways.get(type) ?? [];
      for (const field of Object.values(type.getFields()))
        if (!field.name.startsWith('_')) reach(getNamedType(field.type), [...steps, this.#step(type, field)]);
    }
    return [...ways].map(([type, steps]) => ({ type, steps, length: lengthOf(steps) }));
  }

  #step(type: GraphQLObjectType, field: GraphQLField<unknown, unknown>): Step {
    return { text: this.#call(type.name, field), field: field.name, coordinate: `${type.name}.${field.name}` };
  }

  #call(type: string, field: GraphQLField<unknown, unknown>): string {
    const given = this.#samples[`${type}.${field.name}`];
    if (given) return `${field.name}(${given})`;
    if (getNamedType(field.type).name.endsWith('Connection')) return `${field.name}(first: 3)`;
    const args = field.args.filter(isRequiredArgument).map((arg) => `${arg.name}: ${this.#value(arg.type, arg.name)}`);
    return args.length === 0 ? field.name : `${field.name}(${args.join(', ')})`;
  }

  #value(type: GraphQLInputType, name: string): string {
    const named = getNamedType(type).name;
    return this.#samples[`${name}: ${named}`] ?? this.#samples[named] ?? literalOf(validValue(type), type);
  }
}

const nested = (steps: readonly Step[], inner: string): string =>
  steps.reduceRight((inside, { text }) => `{ ${text} ${inside} }`, inner);
