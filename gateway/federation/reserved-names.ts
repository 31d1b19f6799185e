/**
 * Under which key a field of the client's document travels through the plan. Keys and `@requires` are read back from
 * the merged data by field name, so an alias that equals a field name (`id: name`) must not stand there as itself;
 * neither may a field whose arguments a `@requires` sets otherwise, nor two types of value under one key.
 */
import type { FieldNode, GraphQLOutputType } from 'graphql';
import { argumentsText } from './document-text.ts';

/** What the graph says about names, whatever the document. */
export interface Reserved {
  /** Names of all fields. */
  readonly fields: ReadonlySet<string>;
  /** Names of fields that some `@requires` asks with arguments. */
  readonly argued: ReadonlySet<string>;
}

/**
 * The keys of one document. One key stands for one field with the same arguments and the same type wherever the document asks
 * for it: planners join selections across types, and one of them ended the process when they could not be joined.
 */
export class Keys {
  readonly #reserved: Reserved;
  /** What the document asks for under one response key. */
  readonly #meanings = new Map<string, string[]>();

  constructor(reserved: Reserved) {
    this.#reserved = reserved;
  }

  /** To be told of every field before the first key is asked for. */
  learn(node: FieldNode, type: GraphQLOutputType): void {
    const response = (node.alias ?? node.name).value;
    const meaning = meaningOf(node, type);
    const known = this.#meanings.get(response);
    if (!known) this.#meanings.set(response, [meaning]);
    else if (!known.includes(meaning)) known.push(meaning);
  }

  /** The key for a field of that type. */
  of(node: FieldNode, type: GraphQLOutputType): string {
    const name = node.name.value;
    const response = (node.alias ?? node.name).value;
    const known = this.#meanings.get(response);
    const nth = known && known.length > 1 ? known.indexOf(meaningOf(node, type)) : 0;
    if (nth > 0) return `_${nth}_${response}`;
    const { fields, argued } = this.#reserved;
    if (response === name) return argued.has(name) ? `_c_${response}` : response;
    return response.startsWith('_') || fields.has(response) ? `_c_${response}` : response;
  }
}

const meaningOf = (node: FieldNode, type: GraphQLOutputType): string =>
  `${node.name.value}(${argumentsText(node)}): ${type}`;
