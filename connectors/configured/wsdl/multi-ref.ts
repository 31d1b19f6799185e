/** Resolves references within a response (`id="ref1"`, `href="#ref1"`), which PHP writes also in literal messages. Pure. */
import { malformed } from '../../kit/errors.ts';
import { SOAP12, type XmlElement } from '../../kit/protocols/soap.ts';

const ENCODING = SOAP12.replace('soap-envelope', 'soap-encoding');

/** Limits of the resolved response: number and nesting of elements. A small response must not expand without bounds. */
const MAX_ELEMENTS = 1_000_000;
const MAX_DEPTH = 200;

/** Replaces each reference with its target. A reference to an enclosing element is kept. Throws `SourceError` (malformed) beyond the limits. */
export function resolveReferences(root: XmlElement): XmlElement {
  const targets = new Map<string, XmlElement>();
  const waiting = [root];
  for (let element = waiting.pop(); element; element = waiting.pop()) {
    const id = element.attributes['id'] ?? element.attributes[`{${ENCODING}}id`];
    if (id) targets.set(id, element);
    for (const child of element.children) waiting.push(child);
  }
  if (targets.size === 0) return root;
  let count = 0;
  const resolve = (element: XmlElement, ancestors: readonly XmlElement[]): XmlElement => {
    count++;
    if (count > MAX_ELEMENTS || ancestors.length > MAX_DEPTH)
      throw malformed('the response is too large after resolving its references');
    const reference = element.attributes['href'] ?? element.attributes[`{${ENCODING}}ref`];
    const target = reference ? targets.get(reference.replace(/^#/, '')) : undefined;
    const resolved = target && target !== element && !ancestors.includes(target) ? target : element;
    const path = [...ancestors, resolved];
    return { ...resolved, name: element.name, children: resolved.children.map((child) => resolve(child, path)) };
  };
  return resolve(root, []);
}
