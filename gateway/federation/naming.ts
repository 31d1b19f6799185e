/**
 * Under which key a field of the client's document travels through the plan. Keys and `@requires` are read back from
 * the merged data by field name, so an alias that equals a field name (`id: name`) must not stand there as itself;
 * neither may a field whose arguments a `@requires` sets otherwise, nor two types of value under one key.
 */
import type { FieldNode, GraphQLOutputType } from 'graphql';

/** What the graph says about names, whatever the document. */
export interface Reserved {
  /** Names of all fields. */
  readonly fields: ReadonlySet<string>;
  /** Names of fields that some `@requires` asks with arguments. */
  readonly argued: ReadonlySet<string>;
}

/** The keys of one document: fields of one object that differ for the client differ here too. */
export class Keys {
  readonly #reserved: Reserved;
  /** Types of the values that the document asks for under one response key. */
  readonly #types = new Map<string, string[]>();

  constructor(reserved: Reserved) {
    this.#reserved = reserved;
  }

  /** To be told of every field before the first key is asked for. */
  learn(node: FieldNode, type: GraphQLOutputType): void {
    const response = (node.alias ?? node.name).value;
    const known = this.#types.get(response);
    if (!known) this.#types.set(response, [String(type)]);
    else if (!known.includes(String(type))) known.push(String(type));
  }

  /** The key for a field of that type. */
  of(node: FieldNode, type: GraphQLOutputType): string {
    const name = node.name.value;
    const response = (node.alias ?? node.name).value;
    const nth = this.#types.get(response)?.indexOf(String(type)) ?? 0;
    if (nth > 0) return `_${nth}_${response}`;
    const { fields, argued } = this.#reserved;
    if (response === name) return argued.has(name) ? `_c_${response}` : response;
    return response.startsWith('_') || fields.has(response) ? `_c_${response}` : response;
  }
}
