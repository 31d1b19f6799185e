/** Parts that an answer writes once and points at later (`id="ref1"`, `href="#ref1"`): PHP does so also where messages are literal. Pure. */
import { malformed } from '../../kit/errors.ts';
import { SOAP12, type XmlElement } from '../../kit/protocols/soap.ts';

const ENCODING = SOAP12.replace('soap-envelope', 'soap-encoding');

/** Elements of an answer with all that it points at in place, and how deep they lie: a small answer must not become an endless one. */
const MOST = 1_000_000;
const DEEP = 200;

/** The same with what is pointed at in the place of what points. One that points at what it stands in is left as it is. */
export function resolved(root: XmlElement): XmlElement {
  const named = new Map<string, XmlElement>();
  const waiting = [root];
  for (let one = waiting.pop(); one; one = waiting.pop()) {
    const id = one.attributes['id'] ?? one.attributes[`{${ENCODING}}id`];
    if (id) named.set(id, one);
    for (const each of one.children) waiting.push(each);
  }
  if (named.size === 0) return root;
  let count = 0;
  const put = (one: XmlElement, around: readonly XmlElement[]): XmlElement => {
    count++;
    if (count > MOST || around.length > DEEP) throw malformed('the answer points at its own parts without an end');
    const place = one.attributes['href'] ?? one.attributes[`{${ENCODING}}ref`];
    const target = place ? named.get(place.replace(/^#/, '')) : undefined;
    const found = target && target !== one && !around.includes(target) ? target : one;
    const inner = [...around, found];
    return { ...found, name: one.name, children: found.children.map((each) => put(each, inner)) };
  };
  return put(root, []);
}
