/** What a schema (XSD 1.0) says of elements: their parts, in order, and what each holds. Nothing is downloaded here. */
import { child, local, type XmlElement } from '../../kit/protocols/soap.ts';
import type { FieldType } from '../core/declaration.ts';

export const XSD = 'http://www.w3.org/2001/XMLSchema';

/** An element or attribute of an answer or a question. */
export interface Part {
  /** As it stands in a path. */
  readonly name: string;
  /** As it stands in a message: `{namespace}local`. */
  readonly qualified: string;
  readonly kind: 'element' | 'attribute' | 'text';
  readonly required: boolean;
  readonly list: boolean;
  /** May be there and hold nothing. */
  readonly nillable: boolean;
  readonly description: string | null;
  /** Looked up when asked: types may hold themselves. */
  type(): Type;
}

export interface Type {
  /** Null: it has parts, or is nothing that the graph could show. */
  readonly scalar: FieldType | null;
  /** Words that it may be; empty: any. */
  readonly words: readonly string[];
  /** Empty for a text. */
  readonly parts: readonly Part[];
}

const TYPES: Readonly<Record<string, FieldType | null>> = {
  ...Object.fromEntries(['int', 'short', 'byte', 'unsignedShort', 'unsignedByte'].map((one) => [one, 'Int' as const])),
  ...Object.fromEntries(
    'decimal integer long unsignedInt unsignedLong nonNegativeInteger positiveInteger nonPositiveInteger negativeInteger'
      .split(' ')
      .map((one) => [one, 'Decimal' as const]),
  ),
  ...{ boolean: 'Boolean', float: 'Float', double: 'Float', dateTime: 'DateTime', date: 'Date' },
  ...{ base64Binary: null, hexBinary: null, anyType: null },
};

const OPEN: Type = { scalar: null, words: [], parts: [] };
const textOf = (scalar: FieldType | null, words: readonly string[] = []): Type => ({ scalar, words, parts: [] });
const target = (name: string): string => /^\{([^}]*)\}/.exec(name)?.[1] ?? '';
const bare = (name: string): string => name.replace(/^\{[^}]*\}/, '');

type Kind = 'element' | 'complexType' | 'simpleType' | 'group' | 'attribute' | 'attributeGroup';
interface Found {
  readonly node: XmlElement;
  readonly home: Home;
}
/** What the schema around a declaration says. */
interface Home {
  readonly namespace: string;
  readonly qualified: boolean;
}

/** All schemas of a description; names are found over all of them. */
export class Schemas {
  readonly #known = new Map<string, Found>();
  readonly #types = new Map<string, Type>();
  /** Groups that are being read. */
  readonly #groups = new Set<XmlElement>();

  /** Takes a `schema` element in; `namespace` is what an included schema without one of its own gets. */
  add(schema: XmlElement, namespace: string): void {
    const home: Home = {
      namespace: schema.attributes['targetNamespace'] ?? namespace,
      qualified: schema.attributes['elementFormDefault'] === 'qualified',
    };
    for (const node of schema.children) {
      const name = node.attributes['name'];
      if (name) this.#known.set(`${local(node)} {${home.namespace}}${name}`, { node, home });
    }
  }

  /** The element of that name as a part; null when no schema has it. */
  element(name: string): Part | null {
    const found = this.#find('element', name);
    return found && this.#part(found.node, found.home, true);
  }

  #find(kind: Kind, name: string): Found | null {
    return this.#known.get(`${kind} ${name}`) ?? this.#known.get(`${kind} {}${bare(name)}`) ?? null;
  }

  #part(given: XmlElement, around: Home, top = false): Part | null {
    const ref = given.attributes['ref'];
    const found = ref ? this.#find('element', ref) : { node: given, home: around };
    if (!found) return null;
    const { node, home } = found;
    const name = node.attributes['name'] ?? '';
    const form = node.attributes['form'];
    const qualified = top || ref !== undefined || (form ? form === 'qualified' : home.qualified);
    const { minOccurs = '1', maxOccurs = '1' } = given.attributes;
    return {
      name,
      qualified: qualified && home.namespace ? `{${home.namespace}}${name}` : name,
      kind: 'element',
      required: minOccurs !== '0',
      list: maxOccurs === 'unbounded' || Number(maxOccurs) > 1,
      nillable: node.attributes['nillable'] === 'true',
      description: documentation(given) ?? documentation(node),
      type: () => this.#typeOf(node, home),
    };
  }

  /** The type of an element or attribute: named, or written within it. */
  #typeOf(node: XmlElement, home: Home): Type {
    const name = node.attributes['type'];
    if (name) return this.#named(name);
    const inner = child(node, 'complexType') ?? child(node, 'simpleType');
    return inner ? this.#read(inner, home) : OPEN;
  }

  #named(name: string): Type {
    if (target(name) === XSD) {
      const one = TYPES[bare(name)];
      return textOf(one === undefined ? 'String' : one);
    }
    const known = this.#types.get(name);
    if (known) return known;
    const found = this.#find('complexType', name) ?? this.#find('simpleType', name);
    // A type that extends itself is open rather than endless; one that holds itself is looked up when asked.
    this.#types.set(name, OPEN);
    const made = found ? this.#read(found.node, found.home) : OPEN;
    this.#types.set(name, made);
    return made;
  }

  #read(type: XmlElement, home: Home): Type {
    if (local(type) === 'simpleType') return this.#simple(type, home);
    const content = child(type, 'complexContent') ?? child(type, 'simpleContent');
    const derived = child(content, 'extension') ?? child(content, 'restriction');
    const base = derived?.attributes['base'];
    const before = base && local(derived) === 'extension' ? this.#named(base) : OPEN;
    const own = this.#parts(derived ?? type, home, true);
    if (!content || local(content) === 'complexContent')
      return { scalar: null, words: [], parts: [...before.parts, ...own] };
    const text = before.parts.length > 0 ? before : base ? this.#named(base) : OPEN;
    if (text.parts.length > 0) return { ...OPEN, parts: [...text.parts, ...own] };
    if (own.length === 0) return text;
    // A text with attributes: the text itself is called `value`.
    const value: Part = {
      ...{ name: 'value', qualified: '', kind: 'text', required: true, list: false, nillable: false },
      ...{ description: null, type: () => text },
    };
    return { ...OPEN, parts: [value, ...own] };
  }

  #simple(type: XmlElement, home: Home): Type {
    const restriction = child(type, 'restriction');
    // A list of words, or a union of types, is a text.
    if (!restriction) return textOf('String');
    const base = restriction.attributes['base'];
    const inner = child(restriction, 'simpleType');
    const found = base ? this.#named(base) : inner ? this.#simple(inner, home) : textOf('String');
    const words = restriction.children.flatMap((one) =>
      local(one) === 'enumeration' ? [one.attributes['value'] ?? ''] : [],
    );
    return textOf(found.scalar, words.length > 0 ? words : found.words);
  }

  /** Parts of a type or group; of a choice nothing must be there. */
  #parts(node: XmlElement, home: Home, must: boolean, many = false): Part[] {
    return node.children.flatMap((one): Part[] => {
      const { minOccurs = '1', maxOccurs = '1', ref } = one.attributes;
      const mustHere = must && minOccurs !== '0';
      const manyHere = many || maxOccurs === 'unbounded' || Number(maxOccurs) > 1;
      switch (local(one)) {
        case 'element': {
          const part = this.#part(one, home);
          return part ? [{ ...part, required: part.required && must, list: part.list || many }] : [];
        }
        case 'sequence':
        case 'all':
          return this.#parts(one, home, mustHere, manyHere);
        case 'choice':
          return this.#parts(one, home, false, manyHere);
        case 'group':
        case 'attributeGroup': {
          const found = ref ? this.#find(local(one) as Kind, ref) : null;
          // A group within itself has no parts of its own to add.
          if (!found || this.#groups.has(found.node)) return [];
          this.#groups.add(found.node);
          const parts = this.#parts(found.node, found.home, mustHere, manyHere);
          this.#groups.delete(found.node);
          return parts;
        }
        case 'attribute':
          return this.#attribute(one, home);
        default:
          return [];
      }
    });
  }

  #attribute(given: XmlElement, around: Home): Part[] {
    const { ref, use } = given.attributes;
    const found = ref ? this.#find('attribute', ref) : { node: given, home: around };
    if (!found || use === 'prohibited') return [];
    const name = found.node.attributes['name'] ?? '';
    return [
      {
        name,
        qualified: ref ? `{${found.home.namespace}}${name}` : name,
        kind: 'attribute',
        ...{ required: use === 'required', list: false, nillable: false },
        description: documentation(given),
        type: () => {
          const type = this.#typeOf(found.node, found.home);
          return type === OPEN ? textOf('String') : type;
        },
      },
    ];
  }
}

const documentation = (node: XmlElement): string | null =>
  child(child(node, 'annotation'), 'documentation')?.text.replaceAll(/\s+/g, ' ').trim() || null;
