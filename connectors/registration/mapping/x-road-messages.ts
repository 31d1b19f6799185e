/** Headers, bodies and faults of X-Road messages. Pure. */
import { malformed, rejected, type SourceError, unavailable } from '../../kit/errors.ts';
import { element, localName, type SoapFault, type SoapMessage, type XmlElement } from '../../kit/protocols/soap.ts';
import type { Member } from '../model.ts';

export const XROAD = 'http://x-road.eu/xsd/xroad.xsd';
export const IDENTIFIERS = 'http://x-road.eu/xsd/identifiers';
/** Namespace of the register's services. */
export const REGISTER = 'http://register.example/company';

/** Header values of an X-Road message. */
export interface Route {
  readonly client: Member;
  readonly service: Member;
  readonly code: string;
  readonly version: string | null;
  /** Unique for each message. */
  readonly id: string;
  readonly userId: string | null;
  /** Subject of the message, such as the number of a filing. */
  readonly issue?: string | undefined;
}

const identifiers = (member: Member): XmlElement[] => [
  element(`{${IDENTIFIERS}}xRoadInstance`, member.instance),
  element(`{${IDENTIFIERS}}memberClass`, member.memberClass),
  element(`{${IDENTIFIERS}}memberCode`, member.memberCode),
  element(`{${IDENTIFIERS}}subsystemCode`, member.subsystem),
];

/** Headers of X-Road message protocol 4.0. */
export function routeHeaders(route: Route): XmlElement[] {
  const type = `{${IDENTIFIERS}}objectType`;
  return [
    element(`{${XROAD}}client`, identifiers(route.client), { [type]: 'SUBSYSTEM' }),
    element(
      `{${XROAD}}service`,
      [
        ...identifiers(route.service),
        element(`{${IDENTIFIERS}}serviceCode`, route.code),
        ...(route.version === null ? [] : [element(`{${IDENTIFIERS}}serviceVersion`, route.version)]),
      ],
      { [type]: 'SERVICE' },
    ),
    element(`{${XROAD}}id`, route.id),
    ...(route.userId === null ? [] : [element(`{${XROAD}}userId`, route.userId)]),
    ...(route.issue === undefined ? [] : [element(`{${XROAD}}issue`, route.issue)]),
    element(`{${XROAD}}protocolVersion`, '4.0'),
  ];
}

/** Throws SOURCE_MALFORMED unless client, service, id and protocol version of the response equal those of the request. */
export function assertSameRoute(request: readonly XmlElement[], response: readonly XmlElement[]): void {
  for (const name of ['client', 'service', 'id', 'protocolVersion']) {
    const sent = request.find((header) => header.name === `{${XROAD}}${name}`);
    const received = response.find((header) => header.name === `{${XROAD}}${name}`);
    if (!received) throw malformed(`the response has no header ${name}`);
    if (sent && canonicalElement(sent) !== canonicalElement(received))
      throw malformed(`response header ${name} does not match the request`);
  }
}

/** A comparable form of the element. Ignores the namespaces of attributes, which services written in PHP lose. */
const canonicalElement = (one: XmlElement): string =>
  JSON.stringify([
    one.name,
    one.text.trim(),
    one.children.map(canonicalElement).sort(),
    Object.entries(one.attributes)
      .map(([name, value]) => [name.replace(/^\{[^}]*\}/, ''), value])
      .sort(),
  ]);

/** Fault codes of the security servers that indicate a temporary failure. */
const RETRYABLE_FAULT =
  /^(Server\.(Server|Client)Proxy\.(NetworkError|IOError|SocketTimeout|ServiceFailed\.(HttpError|ConnectionError|Timeout)|SslAuthenticationFailed)|Server\.ServerProxy\.(ServiceDisabled|DatabaseError))/;

/** Converts a SOAP fault to a `SourceError`; the fault's text is used in the log only. */
export function faultToError(fault: SoapFault): SourceError {
  const detail = `SOAP fault ${fault.code}: ${fault.text}`.slice(0, 500);
  if (RETRYABLE_FAULT.test(fault.code)) return unavailable(detail);
  if (
    /^(Client|Sender)/.test(fault.code) ||
    /AccessDenied|UnknownService|UnknownMember|InvalidRequest/.test(fault.code)
  )
    return rejected(detail);
  return /^(Server|Receiver)$/.test(fault.code) ? unavailable(detail) : rejected(detail);
}

/** The body of a response of the service `code`. Throws a `SourceError` for a fault or an unexpected body. */
export function responseBody(message: SoapMessage, code: string): XmlElement {
  if (message.fault) throw faultToError(message.fault);
  if (!message.body || localName(message.body) !== `${code}Response`) {
    throw malformed(`the body is ${message.body ? localName(message.body) : 'empty'}, not ${code}Response`);
  }
  return message.body;
}

export const requestBody = (code: string, fields: Readonly<Record<string, string>>): XmlElement =>
  element(
    `{${REGISTER}}${code}`,
    Object.entries(fields).map(([name, value]) => element(`{${REGISTER}}${name}`, value)),
  );
