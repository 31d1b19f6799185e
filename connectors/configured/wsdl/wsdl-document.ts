/** Reads the operations of a WSDL 1.1 description: document/literal over SOAP 1.1 or 1.2. Other operations are skipped with the reason. */
import { createHash } from 'node:crypto';
import { DeclarationError } from '../../kit/errors.ts';
import { child, localName, readXml, SOAP11, SOAP12, type XmlElement } from '../../kit/protocols/soap.ts';
import type { Argument, Operation, ResultField } from '../core/source-description.ts';
import { XSD, type XsdPart, XsdSchemas, type XsdType } from './xsd-types.ts';

/** SOAP version by namespace of the binding. */
const SOAP_VERSIONS: Readonly<Record<string, typeof SOAP11 | typeof SOAP12>> = {
  'http://schemas.xmlsoap.org/wsdl/soap/': SOAP11,
  'http://schemas.xmlsoap.org/wsdl/soap12/': SOAP12,
};
/** Attributes whose values are qualified names. */
const NAME_ATTRIBUTES = ['type', 'element', 'ref', 'base', 'message', 'binding'];
/** Maximum nesting of an argument within the request. */
const MAX_ARGUMENT_DEPTH = 4;

/** One operation with its message formats. */
export interface SoapOperation extends Operation {
  readonly action: string;
  readonly version: typeof SOAP11 | typeof SOAP12;
  readonly input: XsdPart;
  readonly output: XsdPart;
}

export interface Wsdl {
  readonly operations: ReadonlyMap<string, SoapOperation>;
  /** Skipped operations and unavailable imports with reasons, as messages. */
  readonly skipped: readonly string[];
  /** Address of the service in the description; null: none. */
  readonly address: string | null;
  /** Number of documents read, including the description itself. */
  readonly documents: number;
  /** SHA-256 of all documents. */
  readonly digest: string;
}

/** Loads the document at `place`, relative to `from` (empty: the description itself); null: it is not allowed, such as a URL imported by a file. */
export type DocumentLoader = (place: string, from: string) => Promise<{ text: string; place: string } | null>;

/** Reads a description and its imports. Rejects with `DeclarationError`, or with the error of `load`. */
export async function readWsdl(source: string, load: DocumentLoader): Promise<Wsdl> {
  const schemas = new XsdSchemas();
  const definitions: XmlElement[] = [];
  const seen = new Set<string>();
  const skipped: string[] = [];
  const digest = createHash('sha256');
  const open = async (place: string, from: string, namespace: string): Promise<void> => {
    const found = await load(place, from);
    if (!found) {
      skipped.push(`${place.slice(0, 200)} was not fetched: it has another origin; put a copy next to the description`);
      return;
    }
    if (seen.has(`${found.place} ${namespace}`)) return;
    seen.add(`${found.place} ${namespace}`);
    digest.update(found.text);
    let root: XmlElement;
    try {
      root = readXml(found.text, NAME_ATTRIBUTES);
    } catch (error) {
      throw new DeclarationError(`The description ${source} cannot be read as WSDL.`, (error as Error).message);
    }
    if (root.name === `{${XSD}}schema`) await readSchema(root, found.place, namespace);
    else if (root.name === '{http://schemas.xmlsoap.org/wsdl/}definitions') await readDefinition(root, found.place);
    else throw new DeclarationError(`The description ${source} cannot be read as WSDL.`, `its root is ${root.name}`);
  };
  const readDefinition = async (root: XmlElement, place: string) => {
    definitions.push(root);
    for (const node of root.children) {
      const location = node.attributes['location'];
      if (localName(node) === 'import' && location) await open(location, place, '');
      if (localName(node) !== 'types') continue;
      for (const type of node.children) if (type.name === `{${XSD}}schema`) await readSchema(type, place, '');
    }
  };
  const readSchema = async (root: XmlElement, place: string, namespace: string) => {
    schemas.add(root, namespace);
    const own = root.attributes['targetNamespace'] ?? namespace;
    for (const node of root.children) {
      const location = node.attributes['schemaLocation'];
      if (location && ['import', 'include'].includes(localName(node)))
        await open(location, place, localName(node) === 'include' ? own : (node.attributes['namespace'] ?? ''));
    }
  };
  await open(source, '', '');
  const { operations, address } = readOperations(definitions, schemas, skipped);
  return { operations, address, skipped, documents: seen.size, digest: digest.digest('hex') };
}

const namedNodes = (definitions: readonly XmlElement[], kind: string): Map<string, XmlElement> =>
  new Map(
    definitions.flatMap(({ attributes, children }) =>
      children
        .filter((node) => localName(node) === kind)
        .map((node) => [`{${attributes['targetNamespace'] ?? ''}}${node.attributes['name']}`, node] as const),
    ),
  );

function readOperations(definitions: readonly XmlElement[], schemas: XsdSchemas, skipped: string[]) {
  const messages = namedNodes(definitions, 'message');
  const portTypes = namedNodes(definitions, 'portType');
  const addresses = new Map(
    [...namedNodes(definitions, 'service').values()].flatMap((service) =>
      service.children.flatMap((port) => {
        const address = child(port, 'address')?.attributes['location'];
        return address ? [[port.attributes['binding'] ?? '', address] as const] : [];
      }),
    ),
  );
  const operations = new Map<string, SoapOperation>();
  let address: string | null = null;
  for (const [name, binding] of namedNodes(definitions, 'binding')) {
    const soap = binding.children.find((node) => localName(node) === 'binding');
    const version = SOAP_VERSIONS[/^\{([^}]*)\}/.exec(soap?.name ?? '')?.[1] ?? ''];
    if (!soap || !version) continue;
    const portType = portTypes.get(binding.attributes['type'] ?? '');
    for (const bound of binding.children.filter((node) => localName(node) === 'operation')) {
      const operationName = bound.attributes['name'] ?? '';
      // The first binding of an operation is used; others are for another SOAP version or port.
      if (operations.has(operationName)) continue;
      const operation = readOperation(operationName, bound, soap, portType, messages, schemas);
      if (typeof operation === 'string') skipped.push(`${operationName} ${operation}`);
      else {
        operations.set(operationName, { ...operation, version });
        address ??= addresses.get(name) ?? null;
      }
    }
  }
  return { operations, address };
}

/** An operation, or why it is not supported; the reason follows its name. */
function readOperation(
  name: string,
  bound: XmlElement,
  soap: XmlElement,
  portType: XmlElement | undefined,
  messages: ReadonlyMap<string, XmlElement>,
  schemas: XsdSchemas,
): Omit<SoapOperation, 'version'> | string {
  const soapAttributes = child(bound, 'operation')?.attributes ?? {};
  if ((soapAttributes['style'] ?? soap.attributes['style'] ?? 'document') !== 'document') return 'uses the rpc style';
  if (child(child(bound, 'input'), 'body')?.attributes['use'] === 'encoded') return 'uses encoded messages';
  const abstract = portType?.children.find(
    (node) => localName(node) === 'operation' && node.attributes['name'] === name,
  );
  const messagePart = (direction: 'input' | 'output'): XsdPart | string => {
    const message = messages.get(child(abstract, direction)?.attributes['message'] ?? '');
    const parts = message?.children.filter((node) => localName(node) === 'part') ?? [];
    const body = child(child(bound, direction), 'body')?.attributes['parts']?.split(/\s+/);
    const part = parts.find((node) => !body || body.includes(node.attributes['name'] ?? ''));
    const found = part?.attributes['element'] ? schemas.element(part.attributes['element']) : null;
    return found ?? `has no ${direction} with a schema`;
  };
  const [input, output] = [messagePart('input'), messagePart('output')];
  if (typeof input === 'string') return input;
  if (typeof output === 'string') return output;
  const summary = child(abstract, 'documentation')?.text.replaceAll(/\s+/g, ' ').trim() || null;
  return {
    ...{ name, summary, action: soapAttributes['soapAction'] ?? '', input, output },
    arguments: argumentsOf(input.type(), '', true, MAX_ARGUMENT_DEPTH),
    resultAt: (path: readonly string[]) => resultAt(output, path),
  };
}

/** Scalars of the request; the names of nested ones contain dots. */
function argumentsOf(type: XsdType, before: string, required: boolean, depth: number): Argument[] {
  return type.parts.flatMap((part) => {
    const inner = part.type();
    const name = `${before}${part.name}`;
    const isRequired = required && part.required && !part.nillable;
    if (inner.parts.length === 0) return [{ name, required: isRequired, list: part.list, commaSeparated: false }];
    return depth > 0 && !part.list ? argumentsOf(inner, `${name}.`, isRequired, depth - 1) : [];
  });
}

/** The part with that name. */
export const findPart = (type: XsdType, name: string): XsdPart | undefined =>
  type.parts.find((part) => part.name === name);

function resultAt(output: XsdPart, path: readonly string[]): ResultField | null {
  let at = output;
  for (const step of path) {
    const next = findPart(at.type(), step);
    if (!next) return null;
    at = next;
  }
  const type = at.type();
  const values = type.enumValues.length > 0 ? `One of ${type.enumValues.join(', ')}.` : null;
  return {
    type: type.scalar,
    list: at.list,
    description: at.description ?? values,
    members: type.parts.map(({ name }) => name),
  };
}
