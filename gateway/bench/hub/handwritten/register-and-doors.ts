/** The company register (SOAP) and the door system (SQL) for the hand-written program. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { Pool } from 'undici';
import { ReadingCache } from './reading-cache.ts';

/** Milliseconds of one call, as in the hub. */
const TIMEOUT = 2_000;

/** The register's entry. Days as YYYY-MM-DD. */
export interface RegisterEntry {
  readonly status: string;
  readonly legalName: string | null;
  readonly establishedOn: string | null;
  /** ISO 8601; null: the register does not say. */
  readonly recordedAt: string | null;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const decode = (text: string): string =>
  text.includes('&') ? text.replace(/&(\w+);/g, (all, name: string) => ENTITIES[name] ?? all) : text;

/** Text of the first element with that local name; null if there is none. */
function elementText(xml: string, name: string): string | null {
  const end = xml.indexOf(`:${name}>`);
  if (end < 0) return null;
  const start = end + name.length + 2;
  const text = xml.slice(start, xml.indexOf('</', start)).trim();
  return text === '' ? null : decode(text);
}

const STATUS: readonly [RegExp, string][] = [
  [/(?<![未拟])注销/, 'DEREGISTERED'],
  [/吊销/, 'REVOKED'],
  [/迁出/, 'MOVED_OUT'],
  [/停业|歇业/, 'SUSPENDED'],
  [/筹建|受理|拟设立/, 'PENDING'],
  [/(?<![未不])(存续|在营|开业|在册)/, 'ACTIVE'],
];
const day = (text: string | null): string | null =>
  text === null ? null : `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6, 8)}`;

/** Reads entries of one register over X-Road. */
export class Register {
  readonly #pool: Pool;
  readonly #path: string;
  readonly #cache = new ReadingCache<RegisterEntry | null>(10_000);

  constructor(url: string) {
    const address = new URL(url);
    this.#pool = new Pool(address.origin, { connections: 8, headersTimeout: TIMEOUT, bodyTimeout: TIMEOUT });
    this.#path = address.pathname;
  }

  entry(uscc: string, user: string) {
    return this.#cache.read(uscc, () => this.#call(uscc, user));
  }

  async #call(uscc: string, user: string): Promise<RegisterEntry | null> {
    const id = randomUUID();
    const { statusCode, body } = await this.#pool.request({
      method: 'POST',
      path: this.#path,
      headers: { 'content-type': 'text/xml; charset=utf-8', soapaction: '""' },
      body: envelope(uscc, id, user),
    });
    const xml = await body.text();
    if (statusCode !== 200 || xml.includes(':Fault>')) throw new Error(`Register: HTTP ${statusCode}: ${xml}`);
    if (elementText(xml, 'id') !== id) throw new Error('Register: the response belongs to another request.');
    if (elementText(xml, 'UNISCID') === null) return null;
    const state = elementText(xml, 'REGSTATE_CN') ?? '';
    const changed = elementText(xml, 'CHANGED');
    const approved = day(elementText(xml, 'APPRDATE'));
    return {
      status: STATUS.find(([words]) => words.test(state))?.[1] ?? 'UNKNOWN',
      legalName: elementText(xml, 'ENTNAME'),
      establishedOn: day(elementText(xml, 'ESTDATE')),
      recordedAt: changed ?? (approved === null ? null : new Date(`${approved}T00:00:00+08:00`).toISOString()),
    };
  }
}

const member = (code: string, subsystem: string): string =>
  `<i:xRoadInstance>CN</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>${code}</i:memberCode><i:subsystemCode>${subsystem}</i:subsystemCode>`;
const escapeXml = (text: string): string => text.replace(/[&<>]/g, (one) => `&#${one.charCodeAt(0)};`);
const envelope = (uscc: string, id: string, user: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:x="http://x-road.eu/xsd/xroad.xsd" xmlns:i="http://x-road.eu/xsd/identifiers" xmlns:r="http://register.example/company"><s:Header><x:client i:objectType="SUBSYSTEM">${member('500112', 'park-hub')}</x:client><x:service i:objectType="SERVICE">${member('500000', 'company-register')}<i:serviceCode>getCompany</i:serviceCode></x:service><x:id>${id}</x:id><x:userId>${escapeXml(user)}</x:userId><x:protocolVersion>4.0</x:protocolVersion></s:Header><s:Body><r:getCompany><r:UNISCID>${escapeXml(uscc)}</r:UNISCID></r:getCompany></s:Body></s:Envelope>`;

/** People of a company whose last granted swipe within 16 hours was in, counted in the door system's database. */
export class Doors {
  readonly #pool: pg.Pool;
  readonly #cache = new ReadingCache<number>(1_000);

  constructor(url: string) {
    this.#pool = new pg.Pool({ connectionString: url, max: 4, application_name: 'isthmus bench handwritten' });
  }

  peopleInside(uscc: string) {
    return this.#cache.read(uscc, () => this.#count(uscc));
  }

  async #count(uscc: string): Promise<number> {
    // The controllers write local time, UTC+8.
    const since = new Date(Date.now() + 8 * 3_600_000 - 16 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
    const { rows } = await this.#pool.query({ name: 'people inside', text: PEOPLE_INSIDE, values: [since, uscc] });
    return (rows[0] as { count: number }).count;
  }

  close(): Promise<void> {
    return this.#pool.end();
  }
}

/** Codes of granted access, from the vendor's manual. */
const PEOPLE_INSIDE = `SELECT count(*)::int AS count FROM (
  SELECT DISTINCT ON (l."pin") l."state" FROM "DEPARTMENTS" d JOIN "USERINFO" u ON u."DEFAULTDEPTID" = d."DEPTID"
    JOIN "acc_monitor_log" l ON l."pin" = u."Badgenumber"
  WHERE d."uscc" = $2 AND l."time" >= $1::timestamp AND l."state" IN (0, 1)
    AND l."event_type" IN (0, 1, 2, 3, 4, 14, 15, 16, 17, 18, 19, 101, 103, 203)
  ORDER BY l."pin", l."time" DESC, l."id" DESC) last WHERE last."state" = 0`;
