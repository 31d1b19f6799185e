/**
 * Under which key a field of the client's document travels through the plan. Keys and `@requires` are read back from
 * the merged data by field name, so an alias that equals a field name (`id: name`) must not stand there as itself;
 * neither may a field whose arguments a `@requires` sets otherwise.
 */
import type { FieldNode } from 'graphql';

export interface Names {
  /** The key in the merged data. Injective: fields of one object that differ for the client differ here too. */
  key(node: FieldNode): string;
}

const PREFIX = '_c_';

/** `fields`: names of all fields of the graph; `argued`: those that some `@requires` asks with arguments. */
export function makeNames(fields: ReadonlySet<string>, argued: ReadonlySet<string>): Names {
  return {
    key: (node) => {
      const name = node.name.value;
      const wanted = (node.alias ?? node.name).value;
      if (name === '__typename') return name;
      if (wanted === name) return argued.has(name) ? PREFIX + wanted : wanted;
      return wanted.startsWith('_') || fields.has(wanted) ? PREFIX + wanted : wanted;
    },
  };
}
