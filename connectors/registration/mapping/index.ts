/** Maps the register's records, with the authority's field names, to the model. Pure. */

import { isEarlyXiamenUscc, parseUscc } from '../../../schema/graph/identifiers.ts';
import { malformed, SourceError } from '../../kit/errors.ts';
import { child, localName, type XmlElement } from '../../kit/protocols/soap.ts';
import type { Application, ApplicationState, Entry, EntryPage, Filing, RegistrationStatus } from '../model.ts';

export { elementNames, WATCHED_ELEMENTS } from './drift.ts';
export * from './x-road-messages.ts';

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
