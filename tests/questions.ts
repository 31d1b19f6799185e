/** Documents made from a schema: a way to every field of every type, with arguments for each. */
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
import { right, textOf } from './graph-arguments.ts';

/**
 * Arguments by coordinate (`Query.company`), as GraphQL text without the brackets; or one value by scalar (`Period`), or by argument
 * and scalar (`from: Period`). Without a sample an argument has some value of its type, which nothing has.
 */
export type Samples = Readonly<Record<string, string>>;

/** One document, and what it asks. */
export interface Question {
  /** Type whose fields are asked. */
  readonly type: string;
  /** Where the objects of that type stand in the answer: names of fields, lists are walked. */
  readonly path: readonly string[];
  readonly document: string;
}

/** One step of a way: a field, or the condition `... on Type`. */
interface Step {
  readonly text: string;
  /** Null for a condition. */
  readonly field: string | null;
  /** `Type.field`; null for a condition. */
  readonly coordinate: string | null;
}

interface Way {
  readonly type: GraphQLObjectType;
  readonly steps: readonly Step[];
  readonly length: number;
}

/** Connections, edges and conditions are no steps of their own. */
const lengthOf = (steps: readonly Step[]): number =>
  steps.filter(({ field }) => field !== null && !/^(nodes|edges|node)$/.test(field)).length;

export class Questions {
  readonly #schema: GraphQLSchema;
  readonly #samples: Samples;
  readonly #query: GraphQLObjectType;
  /** From every root field that is walked from, in the order of the schema. */
  readonly #ways: readonly Way[];

  /** `from`: the root fields to walk from; absent: all. */
  constructor(schema: GraphQLSchema, samples: Samples, from: (root: string) => boolean = () => true) {
    this.#schema = schema;
    this.#samples = samples;
    this.#query = schema.getQueryType() as GraphQLObjectType;
    this.#ways = Object.values(this.#query.getFields())
      .filter(({ name }) => !name.startsWith('_') && from(name))
      .flatMap((root) => this.#waysFrom(root));
  }

  /**
   * For each root field and each type at most `near` steps below it, one document that asks all fields of that type, by the shortest
   * way from there; and one for each type that is further from all roots.
   */
  all(near: number): Question[] {
    return this.#ways
      .filter((one) => one.length <= near || this.#shortest(one.type) === one)
      .map(({ type, steps }) => ({
        type: type.name,
        path: steps.flatMap(({ field }) => field ?? []),
        document: within(steps, this.selection(type, 1)),
      }));
  }

  /** The fields passed on the way to the field, itself last, and the document that selects `prefix` of them (all when absent). */
  ask(type: string, field: string): { coordinates: string[]; document(prefix?: number): string } | null {
    const owner = this.#schema.getType(type);
    const mutation = this.#schema.getMutationType()?.name === type;
    if (!isObjectType(owner)) return null;
    const found = owner.getFields()[field];
    const way = mutation || owner === this.#query ? [] : this.#shortest(owner)?.steps;
    if (!way || !found) return null;
    const steps = [...way, this.#step(owner, found)];
    const fields = steps.filter((one) => one.coordinate !== null);
    return {
      coordinates: fields.map((one) => one.coordinate ?? ''),
      document: (prefix = fields.length) => {
        const end = fields[prefix - 1];
        const taken = end ? steps.slice(0, steps.indexOf(end) + 1) : [];
        const inner = prefix === fields.length ? this.#leaves(getNamedType(found.type)) : '{ __typename }';
        return `${mutation ? 'mutation ' : ''}${taken.length > 0 ? within(taken, inner) : '{ __typename }'}`;
      },
    };
  }

  /** The root field with all that it shows, two objects deep. */
  root(name: string): string {
    const field = this.#query.getFields()[name];
    if (!field) throw new Error(`There is no field Query.${name}.`);
    return within([this.#step(this.#query, field)], this.selection(getNamedType(field.type), 2));
  }

  /** A mutation with that input and all of its payload, three objects deep. */
  mutation(name: string, input: string): string {
    const field = this.#schema.getMutationType()?.getFields()[name];
    if (!field) throw new Error(`There is no mutation ${name}.`);
    return `mutation { ${name}(input: ${input}) ${this.selection(getNamedType(field.type), 3)} }`;
  }

  /** All fields of the type; of objects below it their leaves, and so on `depth` times. */
  selection(type: GraphQLNamedType, depth: number): string {
    if (isLeafType(type)) return '';
    // Of an interface, what all its types have.
    const own =
      'getFields' in type ? Object.values(type.getFields() as ReturnType<GraphQLObjectType['getFields']>) : [];
    const fields = own.flatMap((field) => {
      const named = getNamedType(field.type);
      if (field.name.startsWith('_')) return [];
      if (isLeafType(named)) return [this.#call(type.name, field)];
      // A connection with its edges and nodes is one step.
      const left = /^(nodes|node|edges|pageInfo)$/.test(field.name) ? depth : depth - 1;
      if (left < 0 || !isObjectType(type)) return [];
      return [`${this.#call(type.name, field)} ${this.selection(named, left)}`];
    });
    return fields.length > 0 ? `{ ${fields.join(' ')} }` : '{ __typename }';
  }

  /** A selection that reads something of the type: of a connection its total, since its nodes may need a right of their own. */
  #leaves(type: GraphQLNamedType): string {
    if (isLeafType(type)) return '';
    if (!isObjectType(type)) return '{ __typename }';
    const leaves = Object.values(type.getFields()).filter(
      (field) => isLeafType(getNamedType(field.type)) && !field.args.some(isRequiredArgument),
    );
    if (leaves.some((one) => one.name === 'totalCount')) return '{ totalCount }';
    return leaves.length > 0 ? `{ ${leaves.map((one) => one.name).join(' ')} }` : '{ __typename }';
  }

  #shortest(type: GraphQLObjectType): Way | undefined {
    return this.#ways
      .filter((one) => one.type === type)
      .reduce<Way | undefined>((best, one) => (best && best.length <= one.length ? best : one), undefined);
  }

  /** The shortest way to each object type below the root field. */
  #waysFrom(root: GraphQLField<unknown, unknown>): Way[] {
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
    return this.#samples[`${name}: ${named}`] ?? this.#samples[named] ?? textOf(right(type), type);
  }
}

const within = (steps: readonly Step[], inner: string): string =>
  steps.reduceRight((inside, { text }) => `{ ${text} ${inside} }`, inner);
