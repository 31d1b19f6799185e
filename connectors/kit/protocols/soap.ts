/**
 * SOAP 1.1 and 1.2: messages as text, and over HTTP. The parser is strict and resolves namespaces; it downloads nothing and converts no
 * text to numbers. Why not a WSDL client: docs/decisions/0010-hand-written-soap.md.
 */
import { SaxesParser } from 'saxes';
import { Agent, request } from 'undici';
import { malformed, rejected, SourceError, unavailable } from '../errors.ts';
import { readResponse } from './response-body.ts';

export const SOAP11 = 'http://schemas.xmlsoap.org/soap/envelope/';
export const SOAP12 = 'http://www.w3.org/2003/05/soap-envelope';

/** An element. Names are `{namespace}local`, or `local` without a namespace. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** Its text, without that of its children. */
  readonly text: string;
}

/** Creates an element; `content` is its text or its children. */
export function element(
  name: string,
  content: string | readonly XmlElement[] = [],
  attributes: Readonly<Record<string, string>> = {},
): XmlElement {
  return typeof content === 'string'
    ? { name, attributes, children: [], text: content }
    : { name, attributes, children: content, text: '' };
}

/** A fault in a SOAP body. */
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

/** The SOAP message as text. */
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

/** The element as text. Namespaces are declared at the root with the prefixes n1, n2 … */
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
  const write = (element: XmlElement): string => {
    const name = qualified(element.name);
    const attributes = Object.entries(element.attributes).map(
      ([key, value]) => ` ${qualified(key)}="${escapeXml(value, IN_ATTRIBUTES)}"`,
    );
    const inner = element.children.length > 0 ? element.children.map(write).join('') : escapeXml(element.text);
    return `<${name}${attributes.join('')}>${inner}</${name}>`;
  };
  const text = write(root);
  const declared = [...prefixes].map(([namespace, prefix]) => ` xmlns:${prefix}="${escapeXml(namespace)}"`).join('');
  return text.replace(/^<[^\s>/]+/, (start) => `${start}${declared}`);
}

/** Escapes also carriage returns, which a parser would read as line feeds, and in attributes all whitespace that it would normalize. */
const escapeXml = (text: string, characters: RegExp = /[&<>"\r]/g): string =>
  text.replace(characters, (character) => ESCAPES[character] ?? `&#${character.charCodeAt(0)};`);
const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const IN_ATTRIBUTES = /[&<>"\r\n\t]/g;

/**
 * Parses XML. Throws SOURCE_MALFORMED if it is not well-formed or has a document type. `nameAttributes`: attributes whose values are
 * qualified names (`type="tns:Meter"`), which are returned as `{namespace}local`.
 */
export function readXml(text: string, nameAttributes: readonly string[] = []): XmlElement {
  interface Open {
    name: string;
    attributes: Record<string, string>;
    children: XmlElement[];
    text: string;
  }
  const parser = new SaxesParser({ xmlns: true });
  const open: Open[] = [];
  let root: XmlElement | null = null;
  const fullName = (uri: string, local: string): string => (uri ? `{${uri}}${local}` : local);
  parser.on('error', (error) => {
    throw malformed(`XML is not well-formed: ${error.message}`);
  });
  parser.on('doctype', () => {
    throw malformed('XML has a document type, which is not supported');
  });
  parser.on('opentag', (tag) => {
    const attributes: Record<string, string> = {};
    for (const attribute of Object.values(tag.attributes)) {
      if (attribute.uri === 'http://www.w3.org/2000/xmlns/') continue;
      const [, prefix = '', name = ''] = /^(?:([^:]*):)?(.*)$/.exec(attribute.value.trim()) ?? [];
      attributes[fullName(attribute.uri, attribute.local)] = nameAttributes.includes(attribute.name)
        ? fullName(parser.resolve(prefix) ?? '', name)
        : attribute.value;
    }
    open.push({ name: fullName(tag.uri, tag.local), attributes, children: [], text: '' });
  });
  const addText = (part: string) => {
    const top = open.at(-1);
    if (top) top.text += part;
  };
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('closetag', () => {
    const element = open.pop();
    if (!element) return;
    const parent = open.at(-1);
    const closed: XmlElement = element.children.length > 0 ? { ...element, text: element.text.trim() } : element;
    if (parent) parent.children.push(closed);
    else root = closed;
  });
  parser.write(text).close();
  if (root === null) throw malformed('XML document is empty');
  return root;
}

/** Parses a SOAP message of either version. Throws SOURCE_MALFORMED if it is not one. */
export function readEnvelope(text: string): SoapMessage {
  const envelope = readXml(text);
  const version = [SOAP11, SOAP12].find((namespace) => envelope.name === `{${namespace}}Envelope`);
  if (!version) throw malformed(`root element is ${envelope.name}, not a SOAP envelope`);
  const part = (name: string) => envelope.children.find((child) => child.name === `{${version}}${name}`);
  const body = part('Body');
  if (!body) throw malformed('SOAP envelope has no Body');
  const [first = null] = body.children;
  const isFault = first?.name === `{${version}}Fault`;
  return {
    headers: part('Header')?.children ?? [],
    body: isFault ? null : first,
    fault: isFault && first ? readFault(first, version) : null,
  };
}

function readFault(fault: XmlElement, version: string): SoapFault {
  const withoutPrefix = (text: string): string => text.trim().replace(/^[^:]*:/, '');
  if (version === SOAP11) {
    const part = (name: string) => fault.children.find((element) => localName(element) === name);
    return {
      code: withoutPrefix(part('faultcode')?.text ?? ''),
      text: (part('faultstring')?.text ?? '').trim(),
      detail: part('detail') ?? null,
    };
  }
  const code = fault.children.find((element) => localName(element) === 'Code');
  const values = [child(code, 'Value'), child(child(code, 'Subcode'), 'Value')]
    .map((value) => withoutPrefix(value?.text ?? ''))
    .filter(Boolean);
  return {
    code: values.join('.'),
    text: (
      child(
        fault.children.find((element) => localName(element) === 'Reason'),
        'Text',
      )?.text ?? ''
    ).trim(),
    detail: fault.children.find((element) => localName(element) === 'Detail') ?? null,
  };
}

/**
 * Decodes by the charset of `contentType`, else of the XML declaration, else as UTF-8. Throws SOURCE_MALFORMED for invalid bytes instead
 * of replacing them, since they may be part of a name.
 */
export function decodeXml(bytes: Buffer, contentType = ''): string {
  const declared = /^\s*<\?xml[^>]*?encoding=["']([\w.:-]+)["']/.exec(bytes.subarray(0, 200).toString('latin1'))?.[1];
  const label = /charset="?([\w.:-]+)/i.exec(contentType)?.[1] ?? declared ?? 'utf-8';
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes);
  } catch (error) {
    throw malformed(`response is not encoded in ${label.slice(0, 40)}`, error);
  }
}

/** The name without its namespace. */
export const localName = (element: XmlElement): string => element.name.replace(/^\{[^}]*\}/, '');

/** The first child with that local name. */
export const child = (element: XmlElement | null | undefined, name: string): XmlElement | undefined =>
  element?.children.find((candidate) => localName(candidate) === name);

const EMPTY_ENVELOPE = `<?xml version="1.0" encoding="UTF-8"?>\n<s:Envelope xmlns:s="${SOAP11}"><s:Body/></s:Envelope>`;

/** Sends SOAP messages over HTTP. */
export class SoapTransport {
  readonly #url: string;
  readonly #agent: Agent;
  constructor(url: string, tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } = {}) {
    this.#url = url;
    this.#agent = new Agent({ keepAliveTimeout: 10_000, connections: 8, connect: { timeout: 2_000, ...tls } });
  }

  /**
   * Resolves with the response; a SOAP fault (status 500) is a response. Rejects with SOURCE_UNAVAILABLE for the statuses 408, 429 and
   * 5xx, SOURCE_REJECTED for other 4xx, SOURCE_MALFORMED if the response is not SOAP. `headers` are added to those of SOAP 1.1 without an
   * action, or replace them.
   */
  async send(
    envelope: string,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<SoapMessage> {
    const response = await request(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'text/xml; charset=utf-8', soapaction: '""', ...headers },
      body: envelope,
      dispatcher: this.#agent,
      signal,
    }).catch((error: unknown) => {
      const code = String((error as { code?: unknown }).code ?? '');
      // A certificate that one side rejects is neither a response nor an error of the hub.
      throw /CERT|SIGNATURE|SSL|TLS|EPROTO/.test(code) ? unavailable(`TLS connection failed: ${code}`, error) : error;
    });
    const { statusCode: status } = response;
    return readResponse(response, (bytes) => {
      const read = () => readEnvelope(decodeXml(bytes, String(response.headers['content-type'] ?? '')));
      if (status === 500 && /:?Envelope[\s>]/.test(bytes.toString('latin1'))) return read();
      if (status >= 500 || status === 408 || status === 429) throw unavailable(`HTTP ${status} without a SOAP message`);
      if (status >= 400) throw rejected(`HTTP ${status}`);
      return read();
    });
  }

  /**
   * Resolves if the service is reachable: it responds to a GET with any status below 500. Some SOAP services respond to every GET with
   * 500; those must respond to an empty message with a SOAP message, a fault or a rejection.
   */
  async checkReachable(signal: AbortSignal, headers: Readonly<Record<string, string>> = {}): Promise<void> {
    const response = await request(this.#url, { method: 'GET', headers, dispatcher: this.#agent, signal });
    await response.body.dump();
    if ([502, 503, 504].includes(response.statusCode)) throw unavailable(`HTTP ${response.statusCode}`);
    if (response.statusCode < 500) return;
    await this.send(EMPTY_ENVELOPE, signal, headers).catch((error: unknown) => {
      if (!(error instanceof SourceError && error.code === 'SOURCE_REJECTED')) throw error;
    });
  }

  close(): Promise<void> {
    return this.#agent.close();
  }
}
