/** Maps the register's records, with the authority's field names, to the model, and builds X-Road headers. Pure. */
import { malformed, rejected, SourceError, unavailable } from '../kit/errors.ts';
import { isEarlyXiamenUscc, parseUscc } from '../kit/identifiers.ts';
import { child, element, localName, type SoapFault, type SoapMessage, type XmlElement } from '../kit/protocols/soap.ts';
import type { Application, ApplicationState, Entry, EntryPage, Filing, Member, RegistrationStatus } from './model.ts';

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

/** The first match applies. Deregistered comes before revoked: a licence is often revoked long before the entry is deregistered. */
const STATUS: readonly [RegExp, RegistrationStatus][] = [
  [/(?<![未拟])注销/, 'DEREGISTERED'],
  [/吊销/, 'REVOKED'],
  [/迁出/, 'MOVED_OUT'],
  [/停业|歇业/, 'SUSPENDED'],
  [/筹建|受理|拟设立/, 'PENDING'],
  [/(?<![未不])(存续|在营|开业|在册)/, 'ACTIVE'],
];

/** Names and ISO 4217 numbers of currencies in registers. */
const CURRENCIES: readonly [RegExp, string][] = [
  [/^(人民币元?|156)$/, 'CNY'],
  [/^(美元|840)$/, 'USD'],
  [/^(欧元|978)$/, 'EUR'],
  [/^(港[币元]|344)$/, 'HKD'],
  [/^(日[元圆]|392)$/, 'JPY'],
  [/^(英镑|826)$/, 'GBP'],
  [/^(澳门元|446)$/, 'MOP'],
  [/^(新?台币|901)$/, 'TWD'],
  [/^(新加坡元|702)$/, 'SGD'],
];

/** The ISO 4217 code; CNY when the register gives no currency. Throws SOURCE_MALFORMED for an unknown currency. */
function parseCurrency(text: string | null, where: string): string {
  if (text === null) return 'CNY';
  const found = /^[A-Z]{3}$/.test(text) ? text : CURRENCIES.find(([words]) => words.test(text))?.[1];
  if (found === undefined) throw malformed(`${where} is not a known currency`);
  return found;
}

/** Parses the entry of one company (UNISCID, ENTNAME …); null when the register has none. */
export function parseEntry(body: XmlElement): Entry | null {
  const company = child(body, 'company');
  return company ? parseCompany(company, 'company') : null;
}

/** Parses a page of the register. Invalid entries are listed in `refused` and left out. */
export function parseEntryPage(body: XmlElement): EntryPage {
  const total = Number(childText(body, 'total') ?? Number.NaN);
  if (!Number.isInteger(total)) throw malformed('total is not a number');
  const found: Entry[] = [];
  const refused: string[] = [];
  const notes: string[] = [];
  const companies = body.children.filter((one) => localName(one) === 'company');
  for (const [i, one] of companies.entries()) {
    try {
      const entry = parseCompany(one, `company[${i}]`);
      found.push(entry);
      if (isEarlyXiamenUscc(entry.uscc))
        notes.push(`company[${i}].UNISCID fails its check digit, as early codes of Xiamen may`);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      refused.push(error.detail);
    }
  }
  return { total, entries: found, refused, notes, codes: companies.map((one) => childText(one, 'UNISCID') ?? '') };
}

function parseCompany(company: XmlElement, where: string): Entry {
  const code = childText(company, 'UNISCID');
  const uscc = code === null ? null : parseUscc(code);
  if (uscc === null) throw malformed(`${where}.UNISCID is not a valid credit code`);
  const state = childText(company, 'REGSTATE_CN') ?? '';
  const capital = childText(company, 'REGCAP');
  if (capital !== null && !/^\d+(\.\d+)?$/.test(capital)) throw malformed(`${where}.REGCAP is not a valid amount`);
  const changed = childText(company, 'CHANGED');
  const changedAt = changed === null ? null : parseInstant(changed);
  if (changed !== null && changedAt === null) throw malformed(`${where}.CHANGED is not a time`);
  return {
    uscc,
    legalName: childText(company, 'ENTNAME'),
    status: STATUS.find(([words]) => words.test(state))?.[1] ?? 'UNKNOWN',
    legalRepresentative: childText(company, 'LEREP'),
    // The authority gives amounts in units of ten thousand.
    capital:
      capital === null
        ? null
        : {
            value: fromTenThousands(capital),
            currency: parseCurrency(childText(company, 'REGCAPCUR'), `${where}.REGCAPCUR`),
          },
    scope: childText(company, 'OPSCOPE'),
    address: childText(company, 'DOM'),
    establishedOn: parseDay(childText(company, 'ESTDATE'), `${where}.ESTDATE`),
    approvedOn: parseDay(childText(company, 'APPRDATE'), `${where}.APPRDATE`),
    changedAt,
  };
}

/** Converts an amount in ten thousands to units: `150.5` → `1505000`. */
export function fromTenThousands(text: string): string {
  const [whole = '0', fraction = ''] = text.split('.');
  const digits = `${whole}${fraction.padEnd(4, '0').slice(0, 4)}`.replace(/^0+(?=\d)/, '');
  const rest = fraction.slice(4).replace(/0+$/, '');
  return rest ? `${digits}.${rest}` : digits;
}

/** Converts an amount in units to ten thousands: `1505000` → `150.5`. */
export function toTenThousands(text: string): string {
  const [whole = '0', fraction = ''] = text.split('.');
  const padded = whole.padStart(5, '0');
  const rest = `${padded.slice(-4)}${fraction}`.replace(/0+$/, '');
  return `${padded.slice(0, -4).replace(/^0+(?=\d)/, '')}${rest ? `.${rest}` : ''}`;
}

function parseDay(text: string | null, where: string): string | null {
  if (text === null) return null;
  const [, year, month, date] = /^(\d{4})-?(\d{2})-?(\d{2})(?:[T ].*)?$/.exec(text) ?? [];
  const found = `${year}-${month}-${date}`;
  const at = new Date(`${found}T00:00:00Z`);
  // `Date` would accept the 31st of February.
  if (Number.isNaN(at.getTime()) || !at.toISOString().startsWith(found)) throw malformed(`${where} is not a date`);
  return found;
}

/** A time without an offset is in the register's time zone, +08:00. Null when the text is not a time. */
function parseInstant(text: string): Date | null {
  const [, date, time, offset] =
    /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2}(?:\.\d+)?)(Z|[+-]\d{2}:\d{2})?$/.exec(text) ?? [];
  const at = new Date(`${date}T${time}${offset ?? '+08:00'}`);
  return Number.isNaN(at.getTime()) ? null : at;
}

const STATES: Readonly<Record<string, ApplicationState>> = {
  已提交: 'SENT',
  已受理: 'ACCEPTED',
  已驳回: 'REJECTED',
  已撤回: 'WITHDRAWN',
  已办结: 'COMPLETED',
};

/** Parses an application; null when the register has none. Throws SOURCE_MALFORMED when it is incomplete. */
export function parseApplication(body: XmlElement): Application | null {
  const one = child(body, 'application');
  if (!one) return null;
  const state = STATES[childText(one, 'STATE') ?? ''];
  if (!state) throw malformed('application.STATE is unknown');
  const uscc = parseUscc(childText(one, 'UNISCID') ?? '');
  const number = childText(one, 'APPLNO');
  const reference = childText(one, 'REFERENCE');
  const since = parseInstant(childText(one, 'SINCE') ?? '');
  if (!uscc || !number || !reference || since === null) throw malformed('application is incomplete');
  return { reference, number, uscc, state, reason: childText(one, 'REASON'), since };
}

/** A filing with the authority's field names. */
export const filingFields = (reference: string, filing: Filing): Record<string, string> => ({
  REFERENCE: reference,
  UNISCID: filing.uscc,
  ENTNAME: filing.legalName,
  LEREP: filing.legalRepresentative,
  REGCAP: toTenThousands(filing.capital.value),
  REGCAPCUR: filing.capital.currency,
  OPSCOPE: filing.scope,
  DOM: filing.address,
});

/** Trimmed text of a child element; null when it is missing or empty. */
function childText(one: XmlElement, name: string): string | null {
  const text = child(one, name)?.text.trim();
  return text ? text : null;
}

/** Expected elements of an entry, with the graph fields that depend on them. */
export const WATCHED_ELEMENTS: Readonly<Record<string, readonly string[]>> = {
  UNISCID: ['Company.registration'],
  ENTNAME: ['Registration.legalName', 'Company.name'],
  REGSTATE_CN: ['Registration.status'],
  LEREP: ['Registration.legalRepresentative', 'Registration.legalRepresentativeMasked'],
  REGCAP: ['Registration.capital'],
  OPSCOPE: ['Registration.scope'],
  DOM: ['Registration.address'],
  ESTDATE: ['Registration.establishedOn'],
  APPRDATE: ['Registration.approvedOn'],
};

/** Names of all elements that occur in the entries of a page, and the number of entries. */
export function elementNames(body: XmlElement): { readonly names: ReadonlySet<string>; readonly entries: number } {
  const all = body.children.filter((one) => localName(one) === 'company');
  return { names: new Set(all.flatMap((one) => one.children.map(localName))), entries: all.length };
}
