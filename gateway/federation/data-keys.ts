/**
 * Chooses the keys under which the client's fields are planned and merged. Entity keys and `@requires` are read from the merged data by
 * field name, so these need another key: an alias that equals a field name (`id: name`), a field that some `@requires` selects with
 * arguments, and fields of different types under one alias.
 */
import type { FieldNode, GraphQLOutputType } from 'graphql';
import { argumentsText } from './document-text.ts';

/** Names that depend on the supergraph only. */
export interface ReservedNames {
  /** Names of all fields. */
  readonly fields: ReadonlySet<string>;
  /** Names of fields that some `@requires` selects with arguments. */
  readonly requiredWithArguments: ReadonlySet<string>;
}

/**
 * The data keys of one document. A key means one field with the same arguments and type wherever it is selected: planners merge selections
 * across types, and one planner ended the process when they could not be merged.
 */
export class DataKeys {
  readonly #reservedNames: ReservedNames;
  /** The different fields that the document selects under each response key. */
  readonly #signatures = new Map<string, string[]>();

  constructor(reservedNames: ReservedNames) {
    this.#reservedNames = reservedNames;
  }

  /** Must be called for every field before the first `keyOf`. */
  register(node: FieldNode, type: GraphQLOutputType): void {
    const response = (node.alias ?? node.name).value;
    const signature = signatureOf(node, type);
    const signatures = this.#signatures.get(response);
    if (!signatures) this.#signatures.set(response, [signature]);
    else if (!signatures.includes(signature)) signatures.push(signature);
  }

  /** The data key of a field of that type. */
  keyOf(node: FieldNode, type: GraphQLOutputType): string {
    const name = node.name.value;
    const response = (node.alias ?? node.name).value;
    const signatures = this.#signatures.get(response);
    const nth = signatures && signatures.length > 1 ? signatures.indexOf(signatureOf(node, type)) : 0;
    if (nth > 0) return `_${nth}_${response}`;
    const { fields, requiredWithArguments } = this.#reservedNames;
    if (response === name) return requiredWithArguments.has(name) ? `_c_${response}` : response;
    return response.startsWith('_') || fields.has(response) ? `_c_${response}` : response;
  }
}

const signatureOf = (node: FieldNode, type: GraphQLOutputType): string =>
  `${node.name.value}(${argumentsText(node)}): ${type}`;
