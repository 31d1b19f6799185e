/** The register's records, in the authority's field names, to our model; and X-Road's headers. Pure. */
import { malformed, rejected, SourceError, unavailable } from '../kit/errors.ts';
import { isOldXiamen, parseUscc } from '../kit/identifiers.ts';
import { child, element, local, type SoapFault, type SoapMessage, type XmlElement } from '../kit/protocols/soap.ts';
import type { Application, ApplicationState, Entry, EntryPage, Filing, Member, RegistrationStatus } from './model.ts';

export const XROAD = 'http://x-road.eu/xsd/xroad.xsd';
export const IDENTIFIERS = 'http://x-road.eu/xsd/identifiers';
/** Namespace of the register's services. */
export const REGISTER = 'http://register.example/company';

/** What every X-Road message says of itself. */
export interface Route {
  readonly client: Member;
  readonly service: Member;
  readonly code: string;
  readonly version: string | null;
  /** Unique for each message. */
  readonly id: string;
  readonly userId: string | null;
  /** What the message is about, such as the number of a filing. */
  readonly issue?: string | undefined;
}

const identifiers = (member: Member): XmlElement[] => [
  element(`{${IDENTIFIERS}}xRoadInstance`, member.instance),
  element(`{${IDENTIFIERS}}memberClass`, member.memberClass),
  element(`{${IDENTIFIERS}}memberCode`, member.memberCode),
  element(`{${IDENTIFIERS}}subsystemCode`, member.subsystem),
];

/** Headers of message protocol 4.0. */
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

/** Refuses an answer that is not to our question: client, service, id and version must come back as they were sent. */
export function checkRoute(sent: readonly XmlElement[], answer: readonly XmlElement[]): void {
  for (const name of ['client', 'service', 'id', 'protocolVersion']) {
    const ours = sent.find((one) => one.name === `{${XROAD}}${name}`);
    const theirs = answer.find((one) => one.name === `{${XROAD}}${name}`);
    if (!theirs) throw malformed(`the answer has no header ${name}`);
    if (ours && same(ours) !== same(theirs)) throw malformed(`the answer's header ${name} is not ours`);
  }
}

/** Names of attributes without their namespace: services written in PHP lose it. */
const same = (one: XmlElement): string =>
  JSON.stringify([
    one.name,
    one.text.trim(),
    one.children.map(same).sort(),
    Object.entries(one.attributes)
      .map(([name, value]) => [name.replace(/^\{[^}]*\}/, ''), value])
      .sort(),
  ]);

/** I/O faults of the bus pass; everything else is an answer. */
const PASSING =
  /^(Server\.(Server|Client)Proxy\.(NetworkError|IOError|SocketTimeout|ServiceFailed\.(HttpError|ConnectionError|Timeout)|SslAuthenticationFailed)|Server\.ServerProxy\.(ServiceDisabled|DatabaseError))/;

/** A fault as one of our errors; `text` goes to the log only. */
export function faultError(fault: SoapFault): SourceError {
  const detail = `SOAP fault ${fault.code}: ${fault.text}`.slice(0, 500);
  if (PASSING.test(fault.code)) return unavailable(detail);
  if (
    /^(Client|Sender)/.test(fault.code) ||
    /AccessDenied|UnknownService|UnknownMember|InvalidRequest/.test(fault.code)
  )
    return rejected(detail);
  return /^(Server|Receiver)$/.test(fault.code) ? unavailable(detail) : rejected(detail);
}

/** The body of an answer to `code`, or our error for its fault. */
export function answerBody(message: SoapMessage, code: string): XmlElement {
  if (message.fault) throw faultError(message.fault);
  if (!message.body || local(message.body) !== `${code}Response`) {
    throw malformed(`the body is ${message.body ? local(message.body) : 'empty'}, not ${code}Response`);
  }
  return message.body;
}

export const question = (code: string, fields: Readonly<Record<string, string>>): XmlElement =>
  element(
    `{${REGISTER}}${code}`,
    Object.entries(fields).map(([name, value]) => element(`{${REGISTER}}${name}`, value)),
  );

/** The first that fits. A licence is often revoked long before the entry is struck off: the later step counts. */
const STATUS: readonly [RegExp, RegistrationStatus][] = [
  [/(?<![未拟])注销/, 'DEREGISTERED'],
  [/吊销/, 'REVOKED'],
  [/迁出/, 'MOVED_OUT'],
  [/停业|歇业/, 'SUSPENDED'],
  [/筹建|受理|拟设立/, 'PENDING'],
  [/(?<![未不])(存续|在营|开业|在册)/, 'ACTIVE'],
];

/** Registers name a currency in words, by its number or by its letters (ISO 4217). */
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

/** Letters of ISO 4217; without any word the register means yuan. A word that is not known is refused, not guessed. */
function currency(text: string | null, where: string): string {
  if (text === null) return 'CNY';
  const found = /^[A-Z]{3}$/.test(text) ? text : CURRENCIES.find(([words]) => words.test(text))?.[1];
  if (found === undefined) throw malformed(`${where} is no currency that is known`);
  return found;
}

/** One company in the authority's field names (UNISCID, ENTNAME …); null when the register says that it knows none. */
export function entry(body: XmlElement): Entry | null {
  const company = child(body, 'company');
  return company ? entryOf(company, 'company') : null;
}

/** A page of the register. An entry that cannot be understood is named and left out; it does not stop the others. */
export function entries(body: XmlElement): EntryPage {
  const total = Number(textOf(body, 'total') ?? Number.NaN);
  if (!Number.isInteger(total)) throw malformed('total is no number');
  const found: Entry[] = [];
  const refused: string[] = [];
  const notes: string[] = [];
  const companies = body.children.filter((one) => local(one) === 'company');
  for (const [i, one] of companies.entries()) {
    try {
      const entry = entryOf(one, `company[${i}]`);
      found.push(entry);
      if (isOldXiamen(entry.uscc)) notes.push(`company[${i}].UNISCID fails its last check, as Xiamen's old codes may`);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      refused.push(error.detail);
    }
  }
  return { total, entries: found, refused, notes, codes: companies.map((one) => textOf(one, 'UNISCID') ?? '') };
}

function entryOf(company: XmlElement, where: string): Entry {
  const code = textOf(company, 'UNISCID');
  const uscc = code === null ? null : parseUscc(code);
  if (uscc === null) throw malformed(`${where}.UNISCID is no credit code`);
  const state = textOf(company, 'REGSTATE_CN') ?? '';
  const capital = textOf(company, 'REGCAP');
  if (capital !== null && !/^\d+(\.\d+)?$/.test(capital)) throw malformed(`${where}.REGCAP is no amount`);
  const changed = textOf(company, 'CHANGED');
  const changedAt = changed === null ? null : instant(changed);
  if (changed !== null && changedAt === null) throw malformed(`${where}.CHANGED is no time`);
  return {
    uscc,
    legalName: textOf(company, 'ENTNAME'),
    status: STATUS.find(([words]) => words.test(state))?.[1] ?? 'UNKNOWN',
    legalRepresentative: textOf(company, 'LEREP'),
    // The authority counts in units of ten thousand.
    capital:
      capital === null
        ? null
        : { value: tenThousand(capital), currency: currency(textOf(company, 'REGCAPCUR'), `${where}.REGCAPCUR`) },
    scope: textOf(company, 'OPSCOPE'),
    address: textOf(company, 'DOM'),
    establishedOn: day(textOf(company, 'ESTDATE'), `${where}.ESTDATE`),
    approvedOn: day(textOf(company, 'APPRDATE'), `${where}.APPRDATE`),
    changedAt,
  };
}

/** `150.5` ten thousands are `1505000`. */
export function tenThousand(text: string): string {
  const [whole = '0', fraction = ''] = text.split('.');
  const digits = `${whole}${fraction.padEnd(4, '0').slice(0, 4)}`.replace(/^0+(?=\d)/, '');
  const rest = fraction.slice(4).replace(/0+$/, '');
  return rest ? `${digits}.${rest}` : digits;
}

/** The reverse, for filings. */
export function inTenThousands(text: string): string {
  const [whole = '0', fraction = ''] = text.split('.');
  const padded = whole.padStart(5, '0');
  const rest = `${padded.slice(-4)}${fraction}`.replace(/0+$/, '');
  return `${padded.slice(0, -4).replace(/^0+(?=\d)/, '')}${rest ? `.${rest}` : ''}`;
}

function day(text: string | null, where: string): string | null {
  if (text === null) return null;
  const [, year, month, date] = /^(\d{4})-?(\d{2})-?(\d{2})(?:[T ].*)?$/.exec(text) ?? [];
  const found = `${year}-${month}-${date}`;
  const at = new Date(`${found}T00:00:00Z`);
  // The 31st of February is no day either.
  if (Number.isNaN(at.getTime()) || !at.toISOString().startsWith(found)) throw malformed(`${where} is no day`);
  return found;
}

/** A time without an offset is told by the register's own clock. Null for what is no time. */
function instant(text: string): Date | null {
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

/** An application; null when the register knows none under that reference. */
export function application(body: XmlElement): Application | null {
  const one = child(body, 'application');
  if (!one) return null;
  const state = STATES[textOf(one, 'STATE') ?? ''];
  if (!state) throw malformed('application.STATE is not known');
  const uscc = parseUscc(textOf(one, 'UNISCID') ?? '');
  const number = textOf(one, 'APPLNO');
  const reference = textOf(one, 'REFERENCE');
  const since = instant(textOf(one, 'SINCE') ?? '');
  if (!uscc || !number || !reference || since === null) throw malformed('application is incomplete');
  return { reference, number, uscc, state, reason: textOf(one, 'REASON'), since };
}

/** A filing in the authority's field names. */
export const filingFields = (reference: string, filing: Filing): Record<string, string> => ({
  REFERENCE: reference,
  UNISCID: filing.uscc,
  ENTNAME: filing.legalName,
  LEREP: filing.legalRepresentative,
  REGCAP: inTenThousands(filing.capital.value),
  REGCAPCUR: filing.capital.currency,
  OPSCOPE: filing.scope,
  DOM: filing.address,
});

/** A child's text, trimmed; null when it is absent or empty. */
function textOf(one: XmlElement, name: string): string | null {
  const text = child(one, name)?.text.trim();
  return text ? text : null;
}

/** Elements of an entry, and the fields of the graph that live on them. */
export const ELEMENTS: Readonly<Record<string, readonly string[]>> = {
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

/** Names of all elements that the entries of a page have, and how many entries there are. */
export function elementsOf(body: XmlElement): { readonly names: ReadonlySet<string>; readonly entries: number } {
  const all = body.children.filter((one) => local(one) === 'company');
  return { names: new Set(all.flatMap((one) => one.children.map(local))), entries: all.length };
}
