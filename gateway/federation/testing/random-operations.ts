/** Generates random valid operations, the same for the same seed. */
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isAbstractType,
  isEnumType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  parse,
  validate,
} from 'graphql';

export interface RandomOperation {
  readonly query: string;
  readonly variables: Record<string, unknown>;
}

/** Generates one valid operation. `aliases`: names to choose from, some of which should be field names. */
export function randomOperation(
  schema: GraphQLSchema,
  next: () => number,
  aliases: readonly string[],
): RandomOperation {
  for (;;) {
    const operation = new OperationWriter(schema, next, aliases).operation();
    if (validate(schema, parse(operation.query)).length === 0) return operation;
  }
}

class OperationWriter {
  readonly #schema: GraphQLSchema;
  readonly #next: () => number;
  readonly #aliases: readonly string[];
  readonly #fragments = new Map<string, { type: string; text: string }>();
  readonly #variables = new Map<string, { type: string; value: unknown }>();
  #budget = 0;

  constructor(schema: GraphQLSchema, next: () => number, aliases: readonly string[]) {
    this.#schema = schema;
    this.#next = next;
    this.#aliases = aliases;
    this.#budget = 5 + Math.floor(next() ** 3 * 250);
  }

  operation(): RandomOperation {
    const mutation = this.#schema.getMutationType();
    const isMutation = mutation && this.#chance(0.15);
    const root = isMutation ? mutation : this.#schema.getQueryType();
    if (!root) throw new Error('The schema has no Query.');
    const set = this.#set(root, 0);
    const definitions = [...this.#variables].map(([name, { type }]) => `$${name}: ${type}`);
    const head = `${isMutation ? 'mutation' : 'query'} R${definitions.length > 0 ? `(${definitions.join(', ')})` : ''}`;
    const fragments = [...this.#fragments].map(([name, { type, text }]) => `fragment ${name} on ${type} ${text}`);
    const variables: Record<string, unknown> = {};
    for (const [name, { value }] of this.#variables) if (value !== undefined) variables[name] = value;
    return { query: [`${head} ${set}`, ...fragments].join('\n'), variables };
  }

  #chance(share: number): boolean {
    return this.#next() < share;
  }

  #pick<T>(all: readonly T[]): T {
    return all[Math.floor(this.#next() * all.length)] as T;
  }

  #set(type: GraphQLNamedType, depth: number): string {
    const parts: string[] = [];
    const count = 1 + Math.floor(this.#next() * 4);
    for (let i = 0; i < count; i++) {
      const part = this.#selection(type, depth);
      if (part) parts.push(part);
    }
    if (parts.length > 0 && this.#chance(0.15)) parts.push(this.#pick(parts));
    return `{ ${parts.length > 0 ? parts.join(' ') : '__typename'} }`;
  }

  #selection(type: GraphQLNamedType, depth: number): string | null {
    this.#budget--;
    const possible = isAbstractType(type) ? this.#schema.getPossibleTypes(type) : [];
    if (possible.length > 0 && this.#chance(isInterfaceType(type) ? 0.4 : 0.9)) {
      return this.#fragment(this.#pick(possible), depth);
    }
    if (this.#chance(0.12)) {
      const faces: GraphQLNamedType[] = isObjectType(type) ? [type, ...type.getInterfaces()] : [type];
      return this.#fragment(this.#pick(faces), depth);
    }
    if (this.#chance(0.08) || !('getFields' in type)) return `${this.#alias(0.2)}__typename${this.#condition()}`;
    const fields = Object.values(type.getFields() as Record<string, GraphQLField<unknown, unknown>>);
    const leaves = fields.filter(
      (field) => !('getFields' in getNamedType(field.type) || isAbstractType(getNamedType(field.type))),
    );
    const deep = depth < 5 && this.#budget > 0;
    const field = this.#pick(deep || leaves.length === 0 ? fields : leaves);
    const named = getNamedType(field.type);
    const composite = 'getFields' in named || isAbstractType(named);
    if (composite && depth >= 6) return null;
    const inner = composite ? ` ${this.#set(named, depth + 1)}` : '';
    return `${this.#alias(0.25)}${field.name}${this.#arguments(field.args)}${this.#condition()}${inner}`;
  }

  #fragment(type: GraphQLNamedType, depth: number): string {
    if (this.#chance(0.25)) {
      const again = [...this.#fragments].filter(([, fragment]) => fragment.type === type.name);
      if (again.length > 0 && this.#chance(0.5)) return `...${this.#pick(again)[0]}${this.#condition()}`;
      const text = this.#set(type, depth + 1);
      const name = `F${this.#fragments.size}`;
      this.#fragments.set(name, { type: type.name, text });
      return `...${name}${this.#condition()}`;
    }
    return `... on ${type.name}${this.#condition()} ${this.#set(type, depth + (depth > 5 ? 0 : 1))}`;
  }

  #alias(share: number): string {
    return this.#chance(share) ? `${this.#pick(this.#aliases)}: ` : '';
  }

  #condition(): string {
    if (!this.#chance(0.12)) return '';
    const directive = this.#chance(0.5) ? 'include' : 'skip';
    if (this.#chance(0.2)) return ` @${directive}(if: ${this.#chance(0.5)})`;
    const name = this.#pick(['yes', 'no', 'maybe']);
    this.#variables.set(name, {
      type: name === 'maybe' ? 'Boolean! = true' : 'Boolean!',
      value: name === 'maybe' ? undefined : name === 'yes',
    });
    return ` @${directive}(if: $${name})`;
  }

  #arguments(all: readonly GraphQLArgument[]): string {
    const given = all.flatMap((argument) => {
      if (!isNonNullType(argument.type) && this.#chance(0.5)) return [];
      if (this.#chance(0.3)) {
        const name = `v_${argument.name}_${String(argument.type).replaceAll(/\W/g, '')}`;
        const value = this.#variables.has(name) ? this.#variables.get(name)?.value : this.#value(argument.type);
        this.#variables.set(name, { type: String(argument.type), value });
        return [`${argument.name}: $${name}`];
      }
      return [`${argument.name}: ${literal(this.#value(argument.type), argument.type)}`];
    });
    return given.length > 0 ? `(${given.join(', ')})` : '';
  }

  #value(type: GraphQLInputType): unknown {
    const nullable = getNullableType(type);
    if (isListType(nullable)) return [this.#value(nullable.ofType)];
    if (isEnumType(nullable)) return this.#pick(nullable.getValues()).name;
    switch (getNamedType(nullable).name) {
      case 'Int':
        return 1 + Math.floor(this.#next() * 3);
      case 'Boolean':
        return this.#chance(0.5);
      case 'ID':
        return String(1 + Math.floor(this.#next() * 5));
      default:
        return this.#pick(['a', 'b c']);
    }
  }
}

const literal = (value: unknown, type: GraphQLInputType): string =>
  isEnumType(getNamedType(type)) && !isListType(getNullableType(type)) ? String(value) : JSON.stringify(value);
