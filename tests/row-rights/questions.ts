/** Documents made from a schema: every field of every type, by a way from a root field, with arguments for each. */
import {
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
} from 'graphql';

/** Arguments by coordinate (`Query.company`), as GraphQL text without the brackets; or one value by scalar (`Period`), or argument and scalar (`from: Period`). */
export type Samples = Readonly<Record<string, string>>;

/** One document, and what it asks. */
export interface Question {
  /** Type whose fields are asked. */
  readonly type: string;
  /** Where the objects of that type stand in the answer: names of fields, lists are walked. */
  readonly path: readonly string[];
  readonly document: string;
}

interface Step {
  /** `name(args)` or `... on Type`. */
  readonly text: string;
  /** Name of the field; null for a condition. */
  readonly field: string | null;
}

export class Asker {
  readonly #schema: GraphQLSchema;
  readonly #samples: Samples;
  /** Fields for which there is no argument to give. */
  readonly without: string[] = [];

  constructor(schema: GraphQLSchema, samples: Samples) {
    this.#schema = schema;
    this.#samples = samples;
  }

  /**
   * For each root field of Query and each type at most `near` steps below it, one document that asks all fields of that type, by the
   * shortest way from there; and one for each type that is further from all roots.
   */
  questions(near: number): Question[] {
    const query = this.#schema.getQueryType() as GraphQLObjectType;
    const all = Object.values(query.getFields()).flatMap((root) => {
      const first = { text: this.#call(query, root), field: root.name };
      return [...this.#waysFrom(getNamedType(root.type), first)].map(([type, way]) => ({
        type,
        way,
        steps: stepsOf(way),
      }));
    });
    const least = new Map<GraphQLObjectType, (typeof all)[number]>();
    for (const one of all)
      if (one.steps < (least.get(one.type)?.steps ?? Number.POSITIVE_INFINITY)) least.set(one.type, one);
    return all
      .filter((one) => one.steps <= near || least.get(one.type) === one)
      .map(({ type, way }) => this.#question(type, way));
  }

  /** The root field with all that it shows, two objects deep. */
  root(name: string): string {
    const query = this.#schema.getQueryType() as GraphQLObjectType;
    const field = query.getFields()[name];
    if (!field) throw new Error(`There is no field Query.${name}.`);
    return `{ ${this.#call(query, field)} ${this.selection(getNamedType(field.type), 2)} }`;
  }

  /** All fields of the type; of objects below it their leaves, and so on `depth` times. */
  selection(type: GraphQLNamedType, depth: number): string {
    if (isLeafType(type)) return '';
    if (!isObjectType(type)) return `{ __typename ${this.#common(type)} }`;
    const fields = Object.values(type.getFields()).flatMap((field) => {
      const named = getNamedType(field.type);
      if (field.name.startsWith('_')) return [];
      if (isLeafType(named)) return [this.#call(type, field)];
      // A connection with its edges and nodes is one step.
      const left = /^(nodes|node|edges|pageInfo)$/.test(field.name) ? depth : depth - 1;
      return left < 0 ? [] : [`${this.#call(type, field)} ${this.selection(named, left)}`];
    });
    return fields.length > 0 ? `{ ${fields.join(' ')} }` : '{ __typename }';
  }

  /** A mutation with the arguments of the sample, its payload as deep as events show a company. */
  mutation(name: string, input: string): string {
    const field = this.#schema.getMutationType()?.getFields()[name];
    if (!field) throw new Error(`There is no mutation ${name}.`);
    return `mutation { ${name}(input: ${input}) ${this.selection(getNamedType(field.type), 3)} }`;
  }

  #common(type: GraphQLNamedType): string {
    if (!isAbstractType(type) || !('getFields' in type)) return '';
    return Object.values(type.getFields())
      .filter((field) => isLeafType(getNamedType(field.type)))
      .map((field) => field.name)
      .join(' ');
  }

  #question(type: GraphQLObjectType, way: readonly Step[]): Question {
    const path = way.flatMap(({ field }) => field ?? []);
    const inner = this.selection(type, 1);
    const body = way.reduceRight((inside, { text }) => `{ ${text} ${inside} }`, inner);
    return { type: type.name, path, document: body };
  }

  /** The shortest way to each object type, lists of connections walked through their nodes. */
  #waysFrom(start: GraphQLNamedType, first: Step): Map<GraphQLObjectType, readonly Step[]> {
    const ways = new Map<GraphQLObjectType, readonly Step[]>();
    const queue: GraphQLObjectType[] = [];
    const reach = (type: GraphQLNamedType, way: readonly Step[]): void => {
      if (isAbstractType(type)) {
        for (const one of this.#schema.getPossibleTypes(type)) {
          reach(one, [...way, { text: `... on ${one.name}`, field: null }]);
        }
      } else if (isObjectType(type) && !ways.has(type)) {
        ways.set(type, way);
        queue.push(type);
      }
    };
    reach(start, [first]);
    for (let type = queue.shift(); type; type = queue.shift()) {
      const way = ways.get(type) ?? [];
      for (const field of Object.values(type.getFields())) {
        const named = getNamedType(field.type);
        if (isLeafType(named) || field.name.startsWith('_')) continue;
        reach(named, [...way, { text: this.#call(type, field), field: field.name }]);
      }
    }
    return ways;
  }

  #call(type: GraphQLObjectType, field: GraphQLField<unknown, unknown>): string {
    const coordinate = `${type.name}.${field.name}`;
    const given = this.#samples[coordinate];
    const args = given
      ? [given]
      : getNamedType(field.type).name.endsWith('Connection')
        ? ['first: 3']
        : field.args.filter(isRequiredArgument).map((arg) => {
            const value = this.#value(arg.type, arg.name);
            if (value === null) this.without.push(`${coordinate}(${arg.name}:)`);
            return `${arg.name}: ${value ?? 'null'}`;
          });
    return args.length === 0 ? field.name : `${field.name}(${args.join(', ')})`;
  }

  #value(type: GraphQLInputType, name: string): string | null {
    if (isNonNullType(type)) return this.#value(type.ofType, name);
    if (isListType(type)) return '[]';
    if (isEnumType(type)) return type.getValues()[0]?.name ?? null;
    if (isInputObjectType(type)) return null;
    return this.#samples[`${name}: ${type.name}`] ?? this.#samples[type.name] ?? null;
  }
}

/** Connections and conditions are no steps of their own. */
const stepsOf = (way: readonly Step[]): number =>
  way.filter(({ field }) => field !== null && !/^(nodes|edges|node)$/.test(field)).length;
