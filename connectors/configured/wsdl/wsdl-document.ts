/** A WSDL 1.1 description as operations that can be asked: document/literal over SOAP 1.1 or 1.2. What speaks otherwise is left out, with the reason. */
import { createHash } from 'node:crypto';
import { DeclarationError } from '../../kit/connector.ts';
import { child, local, readXml, SOAP11, SOAP12, type XmlElement } from '../../kit/protocols/soap.ts';
import type { Argument, Operation, Place } from '../core/source-description.ts';
import { type Part, Schemas, type Type, XSD } from './xsd-types.ts';

const SOAPS: Readonly<Record<string, typeof SOAP11 | typeof SOAP12>> = {
  'http://schemas.xmlsoap.org/wsdl/soap/': SOAP11,
  'http://schemas.xmlsoap.org/wsdl/soap12/': SOAP12,
};
/** Attributes whose values are names. */
const NAMES = ['type', 'element', 'ref', 'base', 'message', 'binding'];
/** How deep an argument may lie within the question. */
const DEEP = 4;

/** One operation, and how it is written. */
export interface SoapOperation extends Operation {
  readonly action: string;
  readonly version: typeof SOAP11 | typeof SOAP12;
  readonly input: Part;
  readonly output: Part;
}

export interface Wsdl {
  readonly operations: ReadonlyMap<string, SoapOperation>;
  /** Operations that are not taken, and what was not found, as sentences. */
  readonly left: readonly string[];
  /** Where the description says that the system answers; null: nowhere. */
  readonly address: string | null;
  /** Documents that it was read from, the first being itself. */
  readonly documents: number;
  /** Of all of them. */
  readonly digest: string;
}

/** Gives the text at `place`, seen from `from`, under its full name; null: it is not taken (an address within a file, for one). */
export type Load = (place: string, from: string) => Promise<{ text: string; place: string } | null>;

/** Reads a description and what it imports. Rejects with `DeclarationError`, or with what `load` rejects with. */
export async function readWsdl(source: string, load: Load): Promise<Wsdl> {
  const schemas = new Schemas();
  const definitions: XmlElement[] = [];
  const seen = new Set<string>();
  const left: string[] = [];
  const digest = createHash('sha256');
  const open = async (place: string, from: string, namespace: string): Promise<void> => {
    const found = await load(place, from);
    if (!found) {
      left.push(`${place.slice(0, 200)} stands elsewhere and is not fetched: put a copy beside the description`);
      return;
    }
    if (seen.has(`${found.place} ${namespace}`)) return;
    seen.add(`${found.place} ${namespace}`);
    digest.update(found.text);
    let root: XmlElement;
    try {
      root = readXml(found.text, NAMES);
    } catch (error) {
      throw new DeclarationError(`The description ${source} cannot be read as WSDL.`, (error as Error).message);
    }
    if (root.name === `{${XSD}}schema`) await schema(root, found.place, namespace);
    else if (root.name === '{http://schemas.xmlsoap.org/wsdl/}definitions') await definition(root, found.place);
    else throw new DeclarationError(`The description ${source} cannot be read as WSDL.`, `its root is ${root.name}`);
  };
  const definition = async (root: XmlElement, place: string) => {
    definitions.push(root);
    for (const one of root.children) {
      const at = one.attributes['location'];
      if (local(one) === 'import' && at) await open(at, place, '');
      if (local(one) !== 'types') continue;
      for (const each of one.children) if (each.name === `{${XSD}}schema`) await schema(each, place, '');
    }
  };
  const schema = async (root: XmlElement, place: string, namespace: string) => {
    schemas.add(root, namespace);
    const own = root.attributes['targetNamespace'] ?? namespace;
    for (const one of root.children) {
      const at = one.attributes['schemaLocation'];
      if (at && ['import', 'include'].includes(local(one)))
        await open(at, place, local(one) === 'include' ? own : (one.attributes['namespace'] ?? ''));
    }
  };
  await open(source, '', '');
  const read = operationsOf(definitions, schemas, left);
  return { ...read, left, documents: seen.size, digest: digest.digest('hex') };
}

const withNames = (definitions: readonly XmlElement[], kind: string): Map<string, XmlElement> =>
  new Map(
    definitions.flatMap((one) =>
      one.children
        .filter((each) => local(each) === kind)
        .map((each) => [`{${one.attributes['targetNamespace'] ?? ''}}${each.attributes['name']}`, each] as const),
    ),
  );

function operationsOf(definitions: readonly XmlElement[], schemas: Schemas, left: string[]) {
  const messages = withNames(definitions, 'message');
  const portTypes = withNames(definitions, 'portType');
  const addresses = new Map(
    [...withNames(definitions, 'service').values()].flatMap((service) =>
      service.children.flatMap((port) => {
        const address = child(port, 'address')?.attributes['location'];
        return address ? [[port.attributes['binding'] ?? '', address] as const] : [];
      }),
    ),
  );
  const operations = new Map<string, SoapOperation>();
  let address: string | null = null;
  for (const [name, binding] of withNames(definitions, 'binding')) {
    const soap = binding.children.find((one) => local(one) === 'binding');
    const version = SOAPS[/^\{([^}]*)\}/.exec(soap?.name ?? '')?.[1] ?? ''];
    if (!soap || !version) continue;
    const portType = portTypes.get(binding.attributes['type'] ?? '');
    for (const one of binding.children.filter((each) => local(each) === 'operation')) {
      const called = one.attributes['name'] ?? '';
      // The same operation over another version, or at another port, is the same.
      if (operations.has(called)) continue;
      const found = operationOf(called, one, soap, portType, messages, schemas);
      if (typeof found === 'string') left.push(`${called} ${found}`);
      else {
        operations.set(called, { ...found, version });
        address ??= addresses.get(name) ?? null;
      }
    }
  }
  return { operations, address };
}

/** An operation, or why it is none for us. */
function operationOf(
  name: string,
  bound: XmlElement,
  soap: XmlElement,
  portType: XmlElement | undefined,
  messages: ReadonlyMap<string, XmlElement>,
  schemas: Schemas,
): Omit<SoapOperation, 'version'> | string {
  const how = child(bound, 'operation')?.attributes ?? {};
  if ((how['style'] ?? soap.attributes['style'] ?? 'document') !== 'document') return 'is in the style rpc';
  if (child(child(bound, 'input'), 'body')?.attributes['use'] === 'encoded') return 'is encoded';
  const abstract = portType?.children.find((one) => local(one) === 'operation' && one.attributes['name'] === name);
  const side = (which: 'input' | 'output'): Part | string => {
    const message = messages.get(child(abstract, which)?.attributes['message'] ?? '');
    const parts = message?.children.filter((one) => local(one) === 'part') ?? [];
    const body = child(child(bound, which), 'body')?.attributes['parts']?.split(/\s+/);
    const part = parts.find((one) => !body || body.includes(one.attributes['name'] ?? ''));
    const found = part?.attributes['element'] ? schemas.element(part.attributes['element']) : null;
    return found ?? `has no ${which} that a schema describes`;
  };
  const [input, output] = [side('input'), side('output')];
  if (typeof input === 'string') return input;
  if (typeof output === 'string') return output;
  const summary = child(abstract, 'documentation')?.text.replaceAll(/\s+/g, ' ').trim() || null;
  return {
    ...{ name, summary, action: how['soapAction'] ?? '', input, output },
    arguments: argumentsOf(input.type(), '', true, DEEP),
    at: (path: readonly string[]) => placeAt(output, path),
  };
}

/** Texts of the question, those within others with dots. */
function argumentsOf(type: Type, before: string, required: boolean, deep: number): Argument[] {
  return type.parts.flatMap((part) => {
    const inner = part.type();
    const name = `${before}${part.name}`;
    const must = required && part.required && !part.nillable;
    if (inner.parts.length === 0) return [{ name, required: must, list: part.list, many: false }];
    return deep > 0 && !part.list ? argumentsOf(inner, `${name}.`, must, deep - 1) : [];
  });
}

/** The part of that name. */
export const partOf = (type: Type, name: string): Part | undefined => type.parts.find((one) => one.name === name);

function placeAt(output: Part, path: readonly string[]): Place | null {
  let at = output;
  for (const step of path) {
    const next = partOf(at.type(), step);
    if (!next) return null;
    at = next;
  }
  const type = at.type();
  const words = type.words.length > 0 ? `One of ${type.words.join(', ')}.` : null;
  return {
    type: type.scalar,
    list: at.list,
    description: at.description ?? words,
    parts: type.parts.map((one) => one.name),
  };
}
