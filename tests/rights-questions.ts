/** A document for any field of the graph: the shortest way to it from a root field whose arguments are known. */
import {
  type GraphQLField,
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
} from 'graphql';

/** Arguments by coordinate, as GraphQL text without the brackets. */
export type Samples = Readonly<Record<string, string>>;

interface Step {
  /** `name(args)` or `... on Type`. */
  readonly text: string;
  /** `Type.field`; null for a condition. */
  readonly coordinate: string | null;
}

const RANGE: Readonly<Record<string, string>> = {
  from: '"2026-01-01T00:00:00Z"',
  to: '"2026-01-02T00:00:00Z"',
};

export class Questions {
  readonly #schema: GraphQLSchema;
  readonly #samples: Samples;
  /** Type to the way there. */
  readonly #ways = new Map<string, readonly Step[]>();

  constructor(schema: GraphQLSchema, samples: Samples) {
    this.#schema = schema;
    this.#samples = samples;
    const query = schema.getQueryType() as GraphQLObjectType;
    this.#ways.set('Query', []);
    const queue: GraphQLObjectType[] = [query];
    for (let type = queue.shift(); type; type = queue.shift()) {
      const way = this.#ways.get(type.name) ?? [];
      for (const field of Object.values(type.getFields())) {
        if (type === query && !(`Query.${field.name}` in samples)) continue;
        const step = { text: this.#call(type, field), coordinate: `${type.name}.${field.name}` };
        this.#reach(getNamedType(field.type), [...way, step], queue);
      }
    }
  }

  /** The fields passed on the way to the field, itself last, and the document that selects `prefix` of them (all when absent). */
  ask(type: string, field: string): { coordinates: string[]; document(prefix?: number): string } | null {
    const owner = this.#schema.getType(type);
    if (!isObjectType(owner)) return null;
    const mutation = this.#schema.getMutationType()?.name === type;
    const way = mutation ? [] : this.#ways.get(type);
    const found = owner.getFields()[field];
    if (!way || !found) return null;
    const steps = [...way, { text: this.#call(owner, found), coordinate: `${type}.${field}` }];
    const fields = steps.filter((one) => one.coordinate !== null);
    return {
      coordinates: fields.map((one) => one.coordinate ?? ''),
      document: (prefix = fields.length) => {
        const end = fields[prefix - 1];
        const taken = end ? steps.slice(0, steps.indexOf(end) + 1) : [];
        const inner = prefix === fields.length ? this.#leaf(getNamedType(found.type)) : '{ __typename }';
        const body = taken.reduceRight((inside, one) => `{ ${one.text} ${inside} }`, inner);
        return `${mutation ? 'mutation ' : ''}${taken.length > 0 ? body : '{ __typename }'}`;
      },
    };
  }

  #reach(type: GraphQLNamedType, way: readonly Step[], queue: GraphQLObjectType[]): void {
    if (isAbstractType(type)) {
      for (const one of this.#schema.getPossibleTypes(type)) {
        this.#reach(one, [...way, { text: `... on ${one.name}`, coordinate: null }], queue);
      }
    } else if (isObjectType(type) && !this.#ways.has(type.name)) {
      this.#ways.set(type.name, way);
      queue.push(type);
    }
  }

  #call(type: GraphQLObjectType, field: GraphQLField<unknown, unknown>): string {
    const given = this.#samples[`${type.name}.${field.name}`];
    const args =
      given ??
      field.args
        .filter((arg) => isNonNullType(arg.type) && arg.defaultValue === undefined)
        .map((arg) => `${arg.name}: ${this.#value(arg.type, arg.name)}`)
        .join(', ');
    return args === '' ? field.name : `${field.name}(${args})`;
  }

  /** Some value of the type: none that exists anywhere. */
  #value(type: unknown, name: string): string {
    if (isNonNullType(type)) return this.#value(type.ofType, name);
    if (isListType(type)) return '[]';
    if (isEnumType(type)) return type.getValues()[0]?.name ?? '';
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).filter((one) => isNonNullType(one.type));
      return `{ ${fields.map((one) => `${one.name}: ${this.#value(one.type, one.name)}`).join(', ')} }`;
    }
    const scalar = (type as { name: string }).name;
    return this.#samples[scalar] ?? RANGE[name] ?? '"nowhere"';
  }

  /** A selection that reads something of the type; nothing for a leaf. */
  #leaf(type: GraphQLNamedType): string {
    if (isLeafType(type)) return '';
    if (!isObjectType(type)) return '{ __typename }';
    const fields = Object.values(type.getFields()).filter((field) =>
      field.args.every((arg) => !isNonNullType(arg.type)),
    );
    // The nodes of a connection may need a right of their own: its total is what the connection itself shows.
    if (fields.some((one) => one.name === 'totalCount')) return '{ totalCount }';
    const leaves = fields.filter((one) => isLeafType(getNamedType(one.type)));
    const [first] = [...leaves.filter((one) => one.name === 'id'), ...leaves];
    return first ? `{ ${leaves.map((one) => one.name).join(' ')} }` : '{ __typename }';
  }
}
