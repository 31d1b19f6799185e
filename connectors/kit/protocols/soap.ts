/**
 * SOAP 1.1 and 1.2 messages: written by us, read by a strict parser with namespaces resolved. Nothing is downloaded, and no text is
 * turned into a number. Why not a WSDL client: docs/decisions/0010-soap-by-hand.md.
 */
import { SaxesParser } from 'saxes';
import { Agent, request } from 'undici';
import { malformed, rejected, SourceError, unavailable } from '../errors.ts';
import { readAnswer } from './response-body.ts';

export const SOAP11 = 'http://schemas.xmlsoap.org/soap/envelope/';
export const SOAP12 = 'http://www.w3.org/2003/05/soap-envelope';

/** An element: its name is `{namespace}local`, or `local` without one. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** Its own text, without that of its children. */
  readonly text: string;
}

/** Makes an element; `content` is a text or children. */
export function element(
  name: string,
  content: string | readonly XmlElement[] = [],
  attributes: Readonly<Record<string, string>> = {},
): XmlElement {
  return typeof content === 'string'
    ? { name, attributes, children: [], text: content }
    : { name, attributes, children: content, text: '' };
}

/** What a SOAP body may be instead of an answer. */
export interface SoapFault {
  /** Without prefix, such as `Client`, `Server.ServerProxy.NetworkError` or `Sender`. */
  readonly code: string;
  readonly text: string;
  readonly detail: XmlElement | null;
}

export interface SoapMessage {
  readonly headers: readonly XmlElement[];
  readonly body: XmlElement | null;
  readonly fault: SoapFault | null;
}

/** The message as text. */
export function writeEnvelope(
  headers: readonly XmlElement[],
  body: XmlElement,
  version: typeof SOAP11 | typeof SOAP12 = SOAP11,
): string {
  const envelope = element(`{${version}}Envelope`, [
    element(`{${version}}Header`, headers),
    element(`{${version}}Body`, [body]),
  ]);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${writeXml(envelope)}`;
}

/** An element as text; namespaces get prefixes n1, n2 … at the root. */
export function writeXml(root: XmlElement): string {
  const prefixes = new Map<string, string>();
  const qualified = (name: string): string => {
    const parts = /^\{([^}]*)\}(.+)$/.exec(name);
    if (!parts) return name;
    const [, namespace = '', local = ''] = parts;
    let prefix = prefixes.get(namespace);
    if (!prefix) {
      prefix = `n${prefixes.size + 1}`;
      prefixes.set(namespace, prefix);
    }
    return `${prefix}:${local}`;
  };
  const write = (one: XmlElement): string => {
    const name = qualified(one.name);
    const attributes = Object.entries(one.attributes).map(
      ([key, value]) => ` ${qualified(key)}="${escaped(value, IN_ATTRIBUTES)}"`,
    );
    const inner = one.children.length > 0 ? one.children.map(write).join('') : escaped(one.text);
    return `<${name}${attributes.join('')}>${inner}</${name}>`;
  };
  const text = write(root);
  const declared = [...prefixes].map(([namespace, prefix]) => ` xmlns:${prefix}="${escaped(namespace)}"`).join('');
  return text.replace(/^<[^\s>/]+/, (start) => `${start}${declared}`);
}

/** Also carriage returns, which a reader would turn into line feeds, and in attributes what it would turn into spaces. */
const escaped = (text: string, what: RegExp = /[&<>"\r]/g): string =>
  text.replace(what, (one) => ESCAPES[one] ?? `&#${one.charCodeAt(0)};`);
const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const IN_ATTRIBUTES = /[&<>"\r\n\t]/g;

/**
 * Reads any XML; rejects (SOURCE_MALFORMED) what is not well-formed. Document types and their entities are not followed. The values of
 * the attributes in `names` are names themselves (`type="tns:Meter"`), and come as `{namespace}local`.
 */
export function readXml(text: string, names: readonly string[] = []): XmlElement {
  interface Open {
    name: string;
    attributes: Record<string, string>;
    children: XmlElement[];
    text: string;
  }
  const parser = new SaxesParser({ xmlns: true });
  const open: Open[] = [];
  let root: XmlElement | null = null;
  const full = (uri: string, local: string): string => (uri ? `{${uri}}${local}` : local);
  parser.on('error', (error) => {
    throw malformed(`no well-formed XML: ${error.message}`);
  });
  parser.on('doctype', () => {
    throw malformed('a document type is not taken');
  });
  parser.on('opentag', (tag) => {
    const attributes: Record<string, string> = {};
    for (const one of Object.values(tag.attributes)) {
      if (one.uri === 'http://www.w3.org/2000/xmlns/') continue;
      const [, prefix = '', name = ''] = /^(?:([^:]*):)?(.*)$/.exec(one.value.trim()) ?? [];
      attributes[full(one.uri, one.local)] = names.includes(one.name)
        ? full(parser.resolve(prefix) ?? '', name)
        : one.value;
    }
    open.push({ name: full(tag.uri, tag.local), attributes, children: [], text: '' });
  });
  const add = (part: string) => {
    const top = open.at(-1);
    if (top) top.text += part;
  };
  parser.on('text', add);
  parser.on('cdata', add);
  parser.on('closetag', () => {
    const done = open.pop();
    if (!done) return;
    const parent = open.at(-1);
    const made: XmlElement = done.children.length > 0 ? { ...done, text: done.text.trim() } : done;
    if (parent) parent.children.push(made);
    else root = made;
  });
  parser.write(text).close();
  if (root === null) throw malformed('the document is empty');
  return root;
}

/** Reads a SOAP message of either version. */
export function readEnvelope(text: string): SoapMessage {
  const envelope = readXml(text);
  const version = [SOAP11, SOAP12].find((one) => envelope.name === `{${one}}Envelope`);
  if (!version) throw malformed(`the root is ${envelope.name}, no SOAP envelope`);
  const part = (name: string) => envelope.children.find((one) => one.name === `{${version}}${name}`);
  const body = part('Body');
  if (!body) throw malformed('the envelope has no Body');
  const [first = null] = body.children;
  const isFault = first?.name === `{${version}}Fault`;
  return {
    headers: part('Header')?.children ?? [],
    body: isFault ? null : first,
    fault: isFault && first ? readFault(first, version) : null,
  };
}

function readFault(fault: XmlElement, version: string): SoapFault {
  const bare = (text: string): string => text.trim().replace(/^[^:]*:/, '');
  if (version === SOAP11) {
    const part = (name: string) => fault.children.find((one) => local(one) === name);
    return {
      code: bare(part('faultcode')?.text ?? ''),
      text: (part('faultstring')?.text ?? '').trim(),
      detail: part('detail') ?? null,
    };
  }
  const code = fault.children.find((one) => local(one) === 'Code');
  const values = [child(code, 'Value'), child(child(code, 'Subcode'), 'Value')]
    .map((one) => bare(one?.text ?? ''))
    .filter(Boolean);
  return {
    code: values.join('.'),
    text: (
      child(
        fault.children.find((one) => local(one) === 'Reason'),
        'Text',
      )?.text ?? ''
    ).trim(),
    detail: fault.children.find((one) => local(one) === 'Detail') ?? null,
  };
}

/**
 * The bytes as text, by the charset of `contentType`, else by the XML declaration, else UTF-8. Bytes that do not fit are refused
 * (SOURCE_MALFORMED), not replaced: half a name is no name.
 */
export function decodeXml(bytes: Buffer, contentType = ''): string {
  const declared = /^\s*<\?xml[^>]*?encoding=["']([\w.:-]+)["']/.exec(bytes.subarray(0, 200).toString('latin1'))?.[1];
  const label = /charset="?([\w.:-]+)/i.exec(contentType)?.[1] ?? declared ?? 'utf-8';
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes);
  } catch (error) {
    throw malformed(`the bytes are not ${label.slice(0, 40)}`, error);
  }
}

/** Name without its namespace. */
export const local = (one: XmlElement): string => one.name.replace(/^\{[^}]*\}/, '');

/** The first child of that local name. */
export const child = (one: XmlElement | null | undefined, name: string): XmlElement | undefined =>
  one?.children.find((each) => local(each) === name);

const EMPTY = `<?xml version="1.0" encoding="UTF-8"?>\n<s:Envelope xmlns:s="${SOAP11}"><s:Body/></s:Envelope>`;

/**
 * Sends messages over HTTP. A fault comes with status 500 and is an answer. Rejects with SOURCE_UNAVAILABLE for statuses that may
 * pass (408, 429, 5xx), SOURCE_REJECTED for the other refusals, SOURCE_MALFORMED for what is no SOAP.
 */
export class SoapTransport {
  readonly #url: string;
  readonly #agent: Agent;
  constructor(url: string, tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } = {}) {
    this.#url = url;
    this.#agent = new Agent({ keepAliveTimeout: 10_000, connections: 8, connect: { timeout: 2_000, ...tls } });
  }

  /** `headers` stand beside, or in the place of, those of a message of SOAP 1.1 without an action. */
  async send(
    envelope: string,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<SoapMessage> {
    const answer = await request(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'text/xml; charset=utf-8', soapaction: '""', ...headers },
      body: envelope,
      dispatcher: this.#agent,
      signal,
    }).catch((error: unknown) => {
      const code = String((error as { code?: unknown }).code ?? '');
      // A certificate that one side does not take: neither an answer nor our own fault.
      throw /CERT|SIGNATURE|SSL|TLS|EPROTO/.test(code) ? unavailable(`no TLS connection: ${code}`, error) : error;
    });
    const { statusCode: status } = answer;
    return readAnswer(answer, (bytes) => {
      const read = () => readEnvelope(decodeXml(bytes, String(answer.headers['content-type'] ?? '')));
      if (status === 500 && /:?Envelope[\s>]/.test(bytes.toString('latin1'))) return read();
      if (status >= 500 || status === 408 || status === 429) throw unavailable(`HTTP ${status} without a SOAP message`);
      if (status >= 400) throw rejected(`HTTP ${status}`);
      return read();
    });
  }

  /**
   * Whether HTTP answers there; what it thinks of a GET does not matter. Some services of SOAP answer any GET with a 5xx: from those an
   * empty message must bring a message, which may be a fault, or a refusal.
   */
  async reach(signal: AbortSignal, headers: Readonly<Record<string, string>> = {}): Promise<void> {
    const answer = await request(this.#url, { method: 'GET', headers, dispatcher: this.#agent, signal });
    await answer.body.dump();
    if ([502, 503, 504].includes(answer.statusCode)) throw unavailable(`HTTP ${answer.statusCode}`);
    if (answer.statusCode < 500) return;
    await this.send(EMPTY, signal, headers).catch((error: unknown) => {
      if (!(error instanceof SourceError && error.code === 'SOURCE_REJECTED')) throw error;
    });
  }

  close(): Promise<void> {
    return this.#agent.close();
  }
}
