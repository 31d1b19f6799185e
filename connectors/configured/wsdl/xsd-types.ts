/** Reads XML schemas (XSD 1.0): elements with their children and attributes in order, and the type of each. Downloads nothing. */
import { child, localName, type XmlElement } from '../../kit/protocols/soap.ts';
import type { FieldType } from '../core/declaration.ts';

export const XSD = 'http://www.w3.org/2001/XMLSchema';

/** An element or attribute of a message, or the text of an element with attributes. */
export interface XsdPart {
  /** Name in a path. */
  readonly name: string;
  /** Name in a message: `{namespace}local`. */
  readonly qualifiedName: string;
  readonly kind: 'element' | 'attribute' | 'text';
  readonly required: boolean;
  readonly list: boolean;
  /** May be present without a value. */
  readonly nillable: boolean;
  readonly description: string | null;
  /** Resolved on each call, since types may contain themselves. */
  type(): XsdType;
}

export interface XsdType {
  /** Null: it has parts, or no type of the graph fits (binary, anyType). */
  readonly scalar: FieldType | null;
  /** Allowed values; empty: any. */
  readonly enumValues: readonly string[];
  /** Empty for a scalar. */
  readonly parts: readonly XsdPart[];
}

/** XSD types by name; others are texts. */
/** XSD types by name; others are texts. */
const TYPES: Readonly<Record<string, FieldType | null>> = {
  ...Object.fromEntries(
    ['int', 'short', 'byte', 'unsignedShort', 'unsignedByte'].map((name) => [name, 'Int' as const]),
  ),
  ...Object.fromEntries(
    'decimal integer long unsignedInt unsignedLong nonNegativeInteger positiveInteger nonPositiveInteger negativeInteger'
      .split(' ')
      .map((name) => [name, 'Decimal' as const]),
  ),
  ...{ boolean: 'Boolean', float: 'Float', double: 'Float', dateTime: 'DateTime', date: 'Date' },
  ...{ base64Binary: null, hexBinary: null, anyType: null },
};

const ANY_TYPE: XsdType = { scalar: null, enumValues: [], parts: [] };
const scalarType = (scalar: FieldType | null, words: readonly string[] = []): XsdType => ({
  scalar,
  enumValues: words,
  parts: [],
});
const namespaceOf = (name: string): string => /^\{([^}]*)\}/.exec(name)?.[1] ?? '';
const withoutNamespace = (name: string): string => name.replace(/^\{[^}]*\}/, '');

type Kind = 'element' | 'complexType' | 'simpleType' | 'group' | 'attribute' | 'attributeGroup';
/** A named declaration and the schema it is in. */
interface Found {
  readonly node: XmlElement;
  readonly context: SchemaContext;
}
/** Attributes of a schema that apply to its declarations. */
interface SchemaContext {
  readonly namespace: string;
  readonly qualified: boolean;
}

/** All schemas of a description; a name may be declared in any of them. */
export class XsdSchemas {
  readonly #known = new Map<string, Found>();
  readonly #types = new Map<string, XsdType>();
  /** Groups being read, to stop at a group that contains itself. */
  readonly #groups = new Set<XmlElement>();

  /** Adds a `schema` element. `namespace`: for an included schema without a target namespace. */
  add(schema: XmlElement, namespace: string): void {
    const context: SchemaContext = {
      namespace: schema.attributes['targetNamespace'] ?? namespace,
      qualified: schema.attributes['elementFormDefault'] === 'qualified',
    };
    for (const node of schema.children) {
      const name = node.attributes['name'];
      if (name) this.#known.set(`${localName(node)} {${context.namespace}}${name}`, { node, context });
    }
  }

  /** The element with that name as a part; null if no schema declares it. */
  element(name: string): XsdPart | null {
    const found = this.#find('element', name);
    return found && this.#part(found.node, found.context, { isTopLevel: true });
  }

  #find(kind: Kind, name: string): Found | null {
    return this.#known.get(`${kind} ${name}`) ?? this.#known.get(`${kind} {}${withoutNamespace(name)}`) ?? null;
  }

  #part(declaration: XmlElement, outer: SchemaContext, { isTopLevel } = { isTopLevel: false }): XsdPart | null {
    const ref = declaration.attributes['ref'];
    const found = ref ? this.#find('element', ref) : { node: declaration, context: outer };
    if (!found) return null;
    const { node, context } = found;
    const name = node.attributes['name'] ?? '';
    const form = node.attributes['form'];
    const qualified = isTopLevel || ref !== undefined || (form ? form === 'qualified' : context.qualified);
    const { minOccurs = '1', maxOccurs = '1' } = declaration.attributes;
    return {
      name,
      qualifiedName: qualified && context.namespace ? `{${context.namespace}}${name}` : name,
      kind: 'element',
      required: minOccurs !== '0',
      list: maxOccurs === 'unbounded' || Number(maxOccurs) > 1,
      nillable: node.attributes['nillable'] === 'true',
      description: documentation(declaration) ?? documentation(node),
      type: () => this.#typeOf(node, context),
    };
  }

  /** The type of an element or attribute: named, or declared inline. */
  #typeOf(node: XmlElement, context: SchemaContext): XsdType {
    const name = node.attributes['type'];
    if (name) return this.#named(name);
    const inner = child(node, 'complexType') ?? child(node, 'simpleType');
    return inner ? this.#read(inner, context) : ANY_TYPE;
  }

  #named(name: string): XsdType {
    if (namespaceOf(name) === XSD) {
      const scalar = TYPES[withoutNamespace(name)];
      return scalarType(scalar === undefined ? 'String' : scalar);
    }
    const known = this.#types.get(name);
    if (known) return known;
    const found = this.#find('complexType', name) ?? this.#find('simpleType', name);
    // Set first, so that a type that extends itself ends in `ANY_TYPE`. A type that contains itself is resolved by `type()`.
    this.#types.set(name, ANY_TYPE);
    const type = found ? this.#read(found.node, found.context) : ANY_TYPE;
    this.#types.set(name, type);
    return type;
  }

  #read(type: XmlElement, context: SchemaContext): XsdType {
    if (localName(type) === 'simpleType') return this.#simple(type, context);
    const content = child(type, 'complexContent') ?? child(type, 'simpleContent');
    const derived = child(content, 'extension') ?? child(content, 'restriction');
    const base = derived?.attributes['base'];
    const before = base && localName(derived) === 'extension' ? this.#named(base) : ANY_TYPE;
    const own = this.#parts(derived ?? type, context, true);
    if (!content || localName(content) === 'complexContent')
      return { scalar: null, enumValues: [], parts: [...before.parts, ...own] };
    const text = before.parts.length > 0 ? before : base ? this.#named(base) : ANY_TYPE;
    if (text.parts.length > 0) return { ...ANY_TYPE, parts: [...text.parts, ...own] };
    if (own.length === 0) return text;
    // The text of an element with attributes is a part named `value`.
    const value: XsdPart = {
      ...{ name: 'value', qualifiedName: '', kind: 'text', required: true, list: false, nillable: false },
      ...{ description: null, type: () => text },
    };
    return { ...ANY_TYPE, parts: [value, ...own] };
  }

  #simple(type: XmlElement, context: SchemaContext): XsdType {
    const restriction = child(type, 'restriction');
    // Lists and unions are texts.
    if (!restriction) return scalarType('String');
    const base = restriction.attributes['base'];
    const inner = child(restriction, 'simpleType');
    const found = base ? this.#named(base) : inner ? this.#simple(inner, context) : scalarType('String');
    const values = restriction.children.flatMap((facet) =>
      localName(facet) === 'enumeration' ? [facet.attributes['value'] ?? ''] : [],
    );
    return scalarType(found.scalar, values.length > 0 ? values : found.enumValues);
  }

  /** Parts of a type or group. Members of a choice are optional. */
  #parts(node: XmlElement, context: SchemaContext, isRequired: boolean, isList = false): XsdPart[] {
    return node.children.flatMap((child): XsdPart[] => {
      const { minOccurs = '1', maxOccurs = '1', ref } = child.attributes;
      const areRequired = isRequired && minOccurs !== '0';
      const areLists = isList || maxOccurs === 'unbounded' || Number(maxOccurs) > 1;
      switch (localName(child)) {
        case 'element': {
          const part = this.#part(child, context);
          return part ? [{ ...part, required: part.required && isRequired, list: part.list || isList }] : [];
        }
        case 'sequence':
        case 'all':
          return this.#parts(child, context, areRequired, areLists);
        case 'choice':
          return this.#parts(child, context, false, areLists);
        case 'group':
        case 'attributeGroup': {
          const found = ref ? this.#find(localName(child) as Kind, ref) : null;
          // A group within itself adds no parts.
          if (!found || this.#groups.has(found.node)) return [];
          this.#groups.add(found.node);
          const parts = this.#parts(found.node, found.context, areRequired, areLists);
          this.#groups.delete(found.node);
          return parts;
        }
        case 'attribute':
          return this.#attribute(child, context);
        default:
          return [];
      }
    });
  }

  #attribute(declaration: XmlElement, outer: SchemaContext): XsdPart[] {
    const { ref, use } = declaration.attributes;
    const found = ref ? this.#find('attribute', ref) : { node: declaration, context: outer };
    if (!found || use === 'prohibited') return [];
    const name = found.node.attributes['name'] ?? '';
    return [
      {
        name,
        qualifiedName: ref ? `{${found.context.namespace}}${name}` : name,
        kind: 'attribute',
        ...{ required: use === 'required', list: false, nillable: false },
        description: documentation(declaration),
        type: () => {
          const type = this.#typeOf(found.node, found.context);
          return type === ANY_TYPE ? scalarType('String') : type;
        },
      },
    ];
  }
}

const documentation = (node: XmlElement): string | null =>
  child(child(node, 'annotation'), 'documentation')?.text.replaceAll(/\s+/g, ' ').trim() || null;
