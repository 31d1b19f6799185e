/** Writes a SOAP request body and reads a response body as plain data, according to the description. Pure. */
import { malformed } from '../../kit/errors.ts';
import { element, localName, type XmlElement } from '../../kit/protocols/soap.ts';
import { normalizeValue } from '../core/value-formats.ts';
import { resolveReferences } from './multi-ref.ts';
import type { SoapOperation } from './wsdl-document.ts';
import type { XsdPart, XsdType } from './xsd-types.ts';

const NIL = '{http://www.w3.org/2001/XMLSchema-instance}nil';

/** The request body. `args`: values by path; written in the order of the description. */
export function requestBody(operation: SoapOperation, args: Readonly<Record<string, unknown>>): XmlElement {
  const { input } = operation;
  return element(input.qualifiedName, childrenOf(input.type(), '', args), attributesOf(input.type(), '', args));
}

const texts = (value: unknown): string[] => (Array.isArray(value) ? value : [value]).map(String);

function childrenOf(type: XsdType, before: string, args: Readonly<Record<string, unknown>>): XmlElement[] {
  return type.parts.flatMap((part) => {
    if (part.kind !== 'element') return [];
    const name = `${before}${part.name}`;
    if (name in args) return texts(args[name]).map((text) => element(part.qualifiedName, text));
    const inner = part.type();
    const hasNested = Object.keys(args).some((path) => path.startsWith(`${name}.`));
    return hasNested
      ? [element(part.qualifiedName, childrenOf(inner, `${name}.`, args), attributesOf(inner, `${name}.`, args))]
      : [];
  });
}

const attributesOf = (type: XsdType, before: string, args: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(
    type.parts.flatMap((part) => {
      const value = part.kind === 'attribute' ? args[`${before}${part.name}`] : undefined;
      return value === undefined ? [] : [[part.qualifiedName, texts(value).join(' ')]];
    }),
  );

/** How a response is read. */
export interface ResponseOptions {
  /** UTC offset of times without one, such as `+08:00`. */
  readonly zone: string;
  /** Paths that entities use. A required part at one of them must be present; other missing parts are null. */
  readonly usedPaths: ReadonlySet<string>;
}

/** The response as plain data: scalars are texts, a list is a list also with one item, missing parts are null. Throws `SourceError` (malformed). */
export function responseData(
  operation: SoapOperation,
  body: XmlElement,
  options: ResponseOptions,
): Record<string, unknown> {
  const { output } = operation;
  if (localName(body) !== output.name) throw malformed(`the body contains ${localName(body)}, expected ${output.name}`);
  return objectOf(output.type(), resolveReferences(body), operation.name, '', options);
}

function objectOf(
  type: XsdType,
  at: XmlElement,
  where: string,
  path: string,
  options: ResponseOptions,
): Record<string, unknown> {
  return Object.fromEntries(
    type.parts.map((part) => {
      const own = path === '' ? part.name : `${path}.${part.name}`;
      return [part.name, partValue(part, at, `${where}.${part.name}`, own, options)];
    }),
  );
}

function partValue(part: XsdPart, at: XmlElement, where: string, path: string, options: ResponseOptions): unknown {
  const missing = () => {
    if (part.required && options.usedPaths.has(path)) throw malformed(`${where} is missing`);
    return null;
  };
  if (part.kind === 'text') return scalarOf(part, at.text, options) ?? missing();
  if (part.kind === 'attribute') {
    const text = at.attributes[part.qualifiedName];
    return text === undefined ? missing() : scalarOf(part, text, options);
  }
  const exact = at.children.filter((child) => child.name === part.qualifiedName);
  // PHP services and similar ones omit the namespaces of their schemas.
  const found = exact.length > 0 ? exact : at.children.filter((child) => localName(child) === part.name);
  const readElement = (child: XmlElement, place: string): unknown => {
    if (/^(true|1)$/.test(child.attributes[NIL] ?? '')) return null;
    const type = part.type();
    return type.parts.length > 0 ? objectOf(type, child, place, path, options) : scalarOf(part, child.text, options);
  };
  // Also a required list may be empty.
  if (part.list) return found.map((child, i) => readElement(child, `${where}[${i}]`)).filter((item) => item !== null);
  const [first, second] = found;
  if (second) throw malformed(`${where} occurs ${found.length} times`);
  if (first) return readElement(first, where);
  // An omitted wrapper element means that the list in it is empty.
  const [inner, ...others] = part.type().parts;
  if (inner?.list && others.length === 0 && (!part.required || part.nillable)) return { [inner.name]: [] };
  return missing();
}

/** An empty text is null, unless the type is a text. */
function scalarOf(part: XsdPart, text: string, options: ResponseOptions): unknown {
  const { scalar } = part.type();
  if (scalar === 'String') return text;
  const trimmed = text.trim();
  return trimmed === '' ? null : normalizeValue(trimmed, scalar ?? 'String', options.zone);
}
