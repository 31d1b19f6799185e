/**
 * Simulates a company register behind an X-Road security server, written from the protocol's specification. It parses and writes XML
 * on its own and shares no code with the connector.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { replaceFile } from '../kit/testing/atomic-file.ts';
import { type Company, registerEntry, type World } from '../kit/testing/park/index.ts';
import {
  Journal,
  listen,
  type RunningSimulator,
  type Simulator,
  type SimulatorOptions,
} from '../kit/testing/simulator.ts';

const ENVELOPE = 'http://schemas.xmlsoap.org/soap/envelope/';
const XRD = 'http://x-road.eu/xsd/xroad.xsd';
const IDEN = 'http://x-road.eu/xsd/identifiers';
const REG = 'http://register.example/company';
/** Maximum entries per page, whatever limit is requested. */
const MAX_PAGE = 25;
/**
 * Companies outside the park, available by credit code only: the list contains the park's companies. Their codes have a prefix that is
 * assigned to nobody.
 */
const OUTSIDERS: readonly (readonly [uscc: string, name: string, state: string])[] = [
  ['915001050000A0013A', '山那边造纸（示例）有限公司', '吊销，未注销'],
  ['915001050000A00215', '山那边陶瓷（示例）有限公司', '注销'],
  ['915001050000A003XW', '山那边运输（示例）有限公司', '迁出'],
  ['915001050000A0048W', '山那边茶业（示例）有限公司', '存续（在营、开业、在册）'],
  ['915001050000A0056P', '山那边钟表（示例）有限公司', '另册'],
];
/** Milliseconds until an application is accepted, and completed. */
const ACCEPTED_AFTER = 6_000;
const COMPLETED_AFTER = 14_000;

interface Application {
  readonly number: string;
  readonly reference: string;
  readonly fields: Record<string, string>;
  readonly at: number;
  withdrawn: number | null;
}

const escapeText = (value: string): string => value.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
const NAMED: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
const decodeEntities = (value: string): string =>
  value.replace(/&(?:#x([\da-fA-F]+)|#(\d+)|(\w+));/g, (all, hex?: string, decimal?: string, name?: string) =>
    hex
      ? String.fromCodePoint(Number.parseInt(hex, 16))
      : decimal
        ? String.fromCodePoint(+decimal)
        : (NAMED[name ?? ''] ?? all),
  );
/** Raw content of the first element with that local name. */
const elementContent = (xml: string, name: string): string | null => {
  const found = new RegExp(`<(?:[\\w.-]+:)?${name}(?:\\s[^>]*)?(?:/>|>([\\s\\S]*?)</(?:[\\w.-]+:)?${name}>)`).exec(xml);
  return found ? (found[1] ?? '').trim() : null;
};
/** Text of the first element with that local name. */
const elementText = (xml: string, name: string): string | null => {
  const found = elementContent(xml, name);
  return found === null ? null : decodeEntities(found);
};
const tag = (name: string, value: string | null): string =>
  value === null ? '' : `<reg:${name}>${escapeText(value)}</reg:${name}>`;

const companyElement = ([uscc, name, state]: (typeof OUTSIDERS)[number]): string =>
  `<reg:company>${[
    tag('UNISCID', uscc),
    tag('ENTNAME', name),
    tag('ESTDATE', '20110708'),
    tag('APPRDATE', '20190311'),
    tag('REGSTATE_CN', state),
  ].join('')}</reg:company>`;

class Register {
  readonly #options: SimulatorOptions;
  readonly #world: World;
  readonly #file: string;
  readonly #applications: Application[];

  constructor(options: SimulatorOptions) {
    this.#options = options;
    this.#world = options.world;
    this.#file = join(options.directory, 'applications.json');
    this.#applications = existsSync(this.#file) ? (JSON.parse(readFileSync(this.#file, 'utf8')) as Application[]) : [];
  }

  /** The response body of a service; null for an unknown service. Throws a string for a client fault. */
  handle(code: string, body: string): string | null {
    const field = (name: string) => elementText(body, name);
    if (code === 'getCompany') {
      const one = this.#world.companies.find((each) => each.uscc === field('UNISCID'));
      if (one) return this.#company(one);
      const outsider = OUTSIDERS.find(([uscc]) => uscc === field('UNISCID'));
      return outsider ? companyElement(outsider) : '';
    }
    if (code === 'listCompanies')
      return this.#list(Number(field('OFFSET') ?? 0), Number(field('LIMIT') ?? 20), field('CHANGEDSINCE'));
    if (code === 'submitApplication') return this.#submit(body);
    const wanted = (one: Application) => one.number === field('APPLNO') || one.reference === field('REFERENCE');
    const application = this.#applications.find(wanted);
    if (code === 'getApplication') return application ? this.#application(application) : '';
    if (code !== 'withdrawApplication') return null;
    if (!application) throw 'no such application';
    const now = this.#options.now().getTime();
    if (application.withdrawn === null && now - application.at < COMPLETED_AFTER) application.withdrawn = now;
    this.#save();
    return this.#application(application);
  }

  #company(company: Company): string {
    const facts = registerEntry(this.#world, company, this.#options.now());
    const state =
      { active: '存续（在营、开业、在册）', suspended: '歇业', pending: '筹建' }[
        company.status as 'active' | 'suspended' | 'pending'
      ] ?? '存续';
    const mine = this.#applications
      .filter((one) => one.fields['UNISCID'] === company.uscc && this.#state(one) === '已办结')
      .at(-1);
    const changed = mine ? new Date(Math.max(mine.at + COMPLETED_AFTER, facts.changedAt.getTime())) : facts.changedAt;
    const field = (name: string, value: string) => mine?.fields[name] ?? value;
    return `<reg:company>${[
      tag('UNISCID', company.uscc),
      tag('ENTNAME', field('ENTNAME', company.name)),
      tag('LEREP', field('LEREP', facts.legalRepresentative)),
      tag('REGCAP', field('REGCAP', String(Number(facts.capital) / 10_000))),
      tag('REGCAPCUR', 'CNY'),
      tag('OPSCOPE', field('OPSCOPE', facts.scope)),
      tag('DOM', field('DOM', facts.address)),
      tag('ESTDATE', company.establishedOn.replaceAll('-', '')),
      tag('APPRDATE', facts.approvedOn.replaceAll('-', '')),
      tag('REGSTATE_CN', state),
      tag('CHANGED', changed.toISOString()),
    ].join('')}</reg:company>`;
  }

  #list(offset: number, limit: number, since: string | null): string {
    const all = this.#world.companies
      .map((one) => this.#company(one))
      .filter((one) => since === null || (elementText(one, 'CHANGED') ?? '') > since);
    return `${tag('total', String(all.length))}${all.slice(offset, offset + Math.min(limit, MAX_PAGE)).join('')}`;
  }

  #submit(body: string): string {
    const names = ['REFERENCE', 'UNISCID', 'ENTNAME', 'LEREP', 'REGCAP', 'OPSCOPE', 'DOM'];
    const fields = Object.fromEntries(names.map((name) => [name, elementText(body, name) ?? '']));
    const known = this.#applications.find((one) => one.reference === fields['REFERENCE']);
    if (known) return this.#application(known);
    if (!this.#world.companies.some((one) => one.uscc === fields['UNISCID']))
      throw 'the company is not in this register';
    const number = `A${String(this.#applications.length + 1).padStart(6, '0')}`;
    const one: Application = {
      number,
      reference: fields['REFERENCE'] as string,
      fields,
      at: this.#options.now().getTime(),
      withdrawn: null,
    };
    this.#applications.push(one);
    this.#save();
    return this.#application(one);
  }

  #state(one: Application): string {
    if (one.withdrawn !== null) return '已撤回';
    const age = this.#options.now().getTime() - one.at;
    if (age >= COMPLETED_AFTER) return one.fields['ENTNAME']?.includes('驳回') ? '已驳回' : '已办结';
    return age >= ACCEPTED_AFTER ? '已受理' : '已提交';
  }

  #application(one: Application): string {
    const state = this.#state(one);
    const since =
      one.withdrawn ??
      one.at + ({ 已受理: ACCEPTED_AFTER, 已办结: COMPLETED_AFTER, 已驳回: COMPLETED_AFTER }[state] ?? 0);
    return `<reg:application>${[
      tag('APPLNO', one.number),
      tag('REFERENCE', one.reference),
      tag('UNISCID', one.fields['UNISCID'] ?? ''),
      tag('STATE', state),
      tag('SINCE', new Date(since).toISOString()),
      tag('REASON', state === '已驳回' ? '名称不符合规定' : null),
    ].join('')}</reg:application>`;
  }

  #save(): void {
    replaceFile(this.#file, JSON.stringify(this.#applications));
  }
}

const envelope = (headers: string, body: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="${ENVELOPE}" xmlns:xrd="${XRD}" xmlns:id="${IDEN}" xmlns:reg="${REG}"><SOAP-ENV:Header>${headers}</SOAP-ENV:Header><SOAP-ENV:Body>${body}</SOAP-ENV:Body></SOAP-ENV:Envelope>`;
const faultEnvelope = (code: string, why: string): string =>
  envelope(
    '',
    `<SOAP-ENV:Fault><faultcode>SOAP-ENV:${code}</faultcode><faultstring>${escapeText(why)}</faultstring></SOAP-ENV:Fault>`,
  );

/** The request's routing headers with this server's prefixes. */
function echoedHeaders(xml: string): string {
  const header = elementContent(xml, 'Header') ?? '';
  const member = (name: string, more: readonly string[]): string => {
    const part = new RegExp(`<(?:[\\w.-]+:)?${name}[\\s>][\\s\\S]*?</(?:[\\w.-]+:)?${name}>`).exec(header)?.[0] ?? '';
    const type = /objectType="([^"]*)"/.exec(part)?.[1] ?? '';
    const fields = ['xRoadInstance', 'memberClass', 'memberCode', 'subsystemCode', ...more].map(
      (one) => [one, elementText(part, one)] as const,
    );
    return `<xrd:${name} id:objectType="${type}">${fields.map(([one, value]) => (value === null ? '' : `<id:${one}>${escapeText(value)}</id:${one}>`)).join('')}</xrd:${name}>`;
  };
  const simple = (name: string): string => `<xrd:${name}>${escapeText(elementText(header, name) ?? '')}</xrd:${name}>`;
  return [
    member('client', []),
    member('service', ['serviceCode', 'serviceVersion']),
    simple('id'),
    simple('protocolVersion'),
  ].join('');
}

export const simulator: Simulator = {
  name: 'registration',
  start: async (options): Promise<RunningSimulator> => {
    const register = new Register(options);
    const journal = new Journal(options.directory);
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const xml = Buffer.concat(parts).toString('utf8');
        const code = elementText(elementContent(xml, 'Header') ?? '', 'serviceCode') ?? '';
        const requestXml = `<Body>${elementContent(xml, 'Body') ?? ''}</Body>`;
        const about = ['UNISCID', 'APPLNO', 'REFERENCE']
          .map((name) => elementText(requestXml, name))
          .find((one) => one !== null);
        const respond = (status: number, body: string) => {
          journal.append({ operation: code || 'unknown', status, id: elementText(xml, 'id'), about: about ?? null });
          response.writeHead(status, { 'content-type': 'text/xml; charset=utf-8' });
          response.end(body);
        };
        if (elementText(xml, 'protocolVersion') !== '4.0')
          return respond(500, faultEnvelope('Client.InvalidProtocolVersion', 'protocolVersion'));
        try {
          const body = register.handle(code, requestXml);
          if (body === null)
            return respond(500, faultEnvelope('Server.ServerProxy.UnknownService', `Unknown service: ${code}`));
          respond(200, envelope(echoedHeaders(xml), `<reg:${code}Response>${body}</reg:${code}Response>`));
        } catch (reason) {
          respond(500, faultEnvelope('Client', String(reason)));
        }
      });
    });
    const port = await listen(server, options.ports?.['http']);
    let closed: Promise<void> | undefined;
    return {
      ports: { http: port },
      env: { LAKESIDE_REGISTER_URL: `http://127.0.0.1:${port}/` },
      close: () => {
        closed ??= new Promise((resolve) => {
          server.closeAllConnections();
          server.close(() => resolve());
        });
        return closed;
      },
    };
  },
};
