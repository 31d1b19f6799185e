/** A question as a SOAP body and its answer as plain data, both by the description; pure. */
import { malformed } from '../../kit/errors.ts';
import { element, local, type XmlElement } from '../../kit/protocols/soap.ts';
import { spelled } from '../core/value-formats.ts';
import { resolved } from './multi-ref.ts';
import type { SoapOperation } from './wsdl-document.ts';
import type { Part, Type } from './xsd-types.ts';

const NIL = '{http://www.w3.org/2001/XMLSchema-instance}nil';

/** The body that asks; arguments by their paths, in the order of the description. */
export function questionOf(operation: SoapOperation, given: Readonly<Record<string, unknown>>): XmlElement {
  const { input } = operation;
  return element(input.qualified, childrenOf(input.type(), '', given), attributesOf(input.type(), '', given));
}

const texts = (value: unknown): string[] => (Array.isArray(value) ? value : [value]).map(String);

function childrenOf(type: Type, before: string, given: Readonly<Record<string, unknown>>): XmlElement[] {
  return type.parts.flatMap((part) => {
    if (part.kind !== 'element') return [];
    const name = `${before}${part.name}`;
    if (name in given) return texts(given[name]).map((one) => element(part.qualified, one));
    const inner = part.type();
    const wanted = Object.keys(given).some((one) => one.startsWith(`${name}.`));
    return wanted
      ? [element(part.qualified, childrenOf(inner, `${name}.`, given), attributesOf(inner, `${name}.`, given))]
      : [];
  });
}

const attributesOf = (type: Type, before: string, given: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(
    type.parts.flatMap((part) => {
      const value = part.kind === 'attribute' ? given[`${before}${part.name}`] : undefined;
      return value === undefined ? [] : [[part.qualified, texts(value).join(' ')]];
    }),
  );

/** How an answer is read. */
export interface Reading {
  /** Offset of times without one. */
  readonly zone: string;
  /** Paths that somebody asks for: where the description says that one must be there, its absence is a fault. */
  readonly wanted: ReadonlySet<string>;
}

/** The answer as plain data: texts stay texts, lists are lists also with one in them, what is not there is null. Rejects with `SourceError`. */
export function answerOf(operation: SoapOperation, body: XmlElement, reading: Reading): Record<string, unknown> {
  const { output } = operation;
  if (local(body) !== output.name) throw malformed(`the body is ${local(body)}, not ${output.name}`);
  return objectOf(output.type(), resolved(body), operation.name, '', reading);
}

function objectOf(type: Type, at: XmlElement, where: string, path: string, reading: Reading): Record<string, unknown> {
  return Object.fromEntries(
    type.parts.map((part) => {
      const own = path === '' ? part.name : `${path}.${part.name}`;
      return [part.name, partValue(part, at, `${where}.${part.name}`, own, reading)];
    }),
  );
}

function partValue(part: Part, at: XmlElement, where: string, path: string, reading: Reading): unknown {
  const gone = () => {
    if (part.required && reading.wanted.has(path)) throw malformed(`${where} is missing`);
    return null;
  };
  if (part.kind === 'text') return scalarOf(part, at.text, reading) ?? gone();
  if (part.kind === 'attribute') {
    const text = at.attributes[part.qualified];
    return text === undefined ? gone() : scalarOf(part, text, reading);
  }
  const exact = at.children.filter((one) => one.name === part.qualified);
  // Services in PHP and their like lose the namespaces of their own schemas.
  const found = exact.length > 0 ? exact : at.children.filter((one) => local(one) === part.name);
  const one = (each: XmlElement, place: string): unknown => {
    if (/^(true|1)$/.test(each.attributes[NIL] ?? '')) return null;
    const type = part.type();
    return type.parts.length > 0 ? objectOf(type, each, place, path, reading) : scalarOf(part, each.text, reading);
  };
  // An empty list is a list: whether one must be there says nothing of how many there are today.
  if (part.list) return found.map((each, i) => one(each, `${where}[${i}]`)).filter((each) => each !== null);
  const [first, second] = found;
  if (second) throw malformed(`${where} stands ${found.length} times`);
  if (first) return one(first, where);
  // A wrapper around a list, left out because the list is empty.
  const [inner, ...others] = part.type().parts;
  if (inner?.list && others.length === 0 && (!part.required || part.nillable)) return { [inner.name]: [] };
  return gone();
}

/** An empty text is nothing, unless it is meant to be a text. */
function scalarOf(part: Part, text: string, reading: Reading): unknown {
  const { scalar } = part.type();
  if (scalar === 'String') return text;
  const trimmed = text.trim();
  return trimmed === '' ? null : spelled(trimmed, scalar ?? 'String', reading.zone);
}
