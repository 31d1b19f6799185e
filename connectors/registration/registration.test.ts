import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Principal } from '../kit/auth/principal.ts';
import type { SubgraphResponse } from '../kit/call.ts';
import type { InstallationConfig } from '../kit/config/config.ts';
import { Host } from '../kit/host/host.ts';
import { hubCall, loadKeys } from '../kit/host/services.ts';
import { createLog } from '../kit/log.ts';
import { decodeXml, element, readEnvelope, readXml, SOAP12, writeEnvelope, writeXml } from '../kit/protocols/soap.ts';
import { conformance } from '../kit/testing/conformance/conformance.ts';
import { withManualClock } from '../kit/testing/conformance/conformance-ingest.ts';
import { createWorld, registerEntry } from '../kit/testing/park/index.ts';
import { type RunningSimulator, readJournal } from '../kit/testing/simulator.ts';
import { createTestDatabase } from '../kit/testing/test-database.ts';
import { demoParkConfig, installationConfig } from '../kit/testing/test-installation.ts';
import registration from './index.ts';
import * as mapping from './mapping/index.ts';
import { simulator } from './simulator.ts';

const demo = createWorld();
const settings = ({ env }: RunningSimulator) => ({
  url: env['LAKESIDE_REGISTER_URL'],
  client: 'CN/GOV/500112/park-hub',
  service: 'CN/GOV/500000/company-register',
});
const http = (status: number, body: string) =>
  `HTTP/1.1 ${status} X\r\ncontent-type: text/xml\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
const fault = (code: string) =>
  `<E:Envelope xmlns:E="http://schemas.xmlsoap.org/soap/envelope/"><E:Body><E:Fault><faultcode>E:${code}</faultcode><faultstring>secret words</faultstring></E:Fault></E:Body></E:Envelope>`;
const ENTRY =
  'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { uscc registration { legalName status } } } }';
const company = (uscc: string | undefined) => ({ __typename: 'Company', uscc });

const input = (clientMutationId: string, legalName = '湖畔新名（示例）有限公司', installation = 'reg') => ({
  clientMutationId,
  installation,
  uscc: demo.companies[3]?.uscc,
  legalName,
  legalRepresentative: '张安',
  capital: { value: '2000000', currency: 'CNY' },
  scope: '软件开发',
  address: '湖畔路2号',
});
const SUBMIT =
  'mutation ($i: SubmitRegistrationInput!) { submitRegistration(input: $i) { receipt case { id } provenance { source } } }';

/** Number of companies whose register entry differs between the two times. */
const changed = (from: number, to: number): number => {
  const fieldsAt = (one: (typeof demo.companies)[number], at: number) => {
    const { approvedOn: _, changedAt: __, ...facts } = registerEntry(demo, one, new Date(at));
    return JSON.stringify(facts);
  };
  return demo.companies.filter((one) => fieldsAt(one, from) !== fieldsAt(one, to)).length;
};
const register = withManualClock(simulator);

conformance({
  connector: registration,
  simulator: register,
  folder: import.meta.dirname,
  settings,
  settingsAt: ({ host, port }, running) => ({ ...settings(running), url: `http://${host}:${port}/` }),
  sampleQuery: () => ({
    query: ENTRY,
    variables: { r: [company(demo.companies[0]?.uscc)] },
    check: (data) =>
      expect(data['_entities']).toEqual([
        { uscc: demo.companies[0]?.uscc, registration: { legalName: demo.companies[0]?.name, status: 'ACTIVE' } },
      ]),
  }),
  // The register has no batch operation: N different codes are N calls.
  batch: () => ({
    representations: [
      demo.companies[0]?.uscc,
      '91350100M000100Y43',
      demo.companies[1]?.uscc,
      demo.companies[0]?.uscc,
    ].map(company),
    selection: '... on Company { uscc registration { status } }',
    unknown: 1,
    isUnknown: (entity) => entity?.['registration'] === null,
    calls: 3,
  }),
  live: { query: ENTRY, variables: () => ({ r: [company(demo.companies[0]?.uscc)] }) },
  malformed: {
    serve: (socket) => socket.on('data', () => socket.end(http(200, '<html></html>'))),
    field: /not a SOAP envelope/,
  },
  rejection: {
    serve: (socket, onRejected) =>
      socket.on('data', () => {
        onRejected();
        socket.end(http(500, fault('Server.ServerProxy.AccessDenied')));
      }),
  },
  ingest: {
    'poll register': ({ host, sql }) => {
      let events = 0;
      return {
        kind: 'REGISTRATION_CHANGED',
        produce: () => {
          const before = register.advance(0).getTime();
          for (let n = 0; events === 0 && n < 100; n++) events = changed(before, register.advance(600_000).getTime());
        },
        expectedEvents: () => events,
        ingest: () => host.runJob('test', 'poll register'),
        progress: async () => [
          await sql("SELECT value FROM state WHERE installation = 'test' AND name = 'since'"),
          await sql("SELECT uscc, fields FROM register_entry WHERE installation = 'test' ORDER BY 1"),
        ],
      };
    },
    'poll applications': async ({ host, sql }) => {
      const call = hubCall(5_000, new AbortController().signal);
      const filed = { query: SUBMIT, variables: { i: input('c14', undefined, 'test') }, call };
      expect((await host.subgraph.execute(filed)).errors).toBeUndefined();
      return {
        kind: 'CASE_CHANGED',
        produce: () => register.advance(7_000),
        ingest: () => host.runJob('test', 'poll applications'),
        progress: async () => await sql("SELECT number, state FROM register_application WHERE installation = 'test'"),
      };
    },
  },
  idempotentJob: { job: 'poll register', state: 'SELECT uscc, fields FROM register_entry ORDER BY 1' },
  fixture: (name, bytes) => {
    const text = bytes.toString('utf8');
    if (name === 'company') return mapping.parseEntry(readXml(text));
    if (name === 'application') return mapping.parseApplication(readXml(text));
    const { body, fault } = readEnvelope(text);
    if (body) return mapping.parseEntryPage(body);
    if (!fault) throw new Error(`${name} contains neither a body nor a fault`);
    const { code, detail, retryable } = mapping.faultToError(fault);
    return { code, detail, retryable };
  },
});

/** A proxy to the register that fails as configured. */
interface Lossy {
  readonly installation: InstallationConfig;
  /** Requests with this text reach the register; their responses are lost. */
  loses: string | null;
  /** Requests with this text are lost. */
  drops: string | null;
  /** Whether responses have another message id. */
  mixes: boolean;
  /** Edits responses. */
  change: ((text: string) => string) | null;
  close(): Promise<void>;
}

async function openLossy(to: string, installation: (url: string) => InstallationConfig): Promise<Lossy> {
  const server = createServer(async (incoming, response) => {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString('utf8');
    if (lossy.drops && body.includes(lossy.drops)) return void response.destroy();
    const upstream = await request(to, { method: 'POST', headers: { 'content-type': 'text/xml' }, body });
    const text = await upstream.body.text();
    if (lossy.loses && body.includes(lossy.loses)) return void response.destroy();
    response.writeHead(upstream.statusCode, { 'content-type': 'text/xml' });
    if (lossy.change) return void response.end(lossy.change(text));
    response.end(lossy.mixes ? text.replace(/<xrd:id>/, '<xrd:id>x') : text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const lossy: Lossy = {
    installation: installation(`http://127.0.0.1:${port}/`),
    loses: null,
    drops: null,
    mixes: false,
    change: null,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return lossy;
}

describe('registration', () => {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-register-'));
  let clock = Date.now();
  let running: RunningSimulator;
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  let host: Host;
  let lossy: Lossy;
  const lines: string[] = [];
  const ask = (
    query: string,
    variables: Record<string, unknown> = {},
    principal: Partial<Principal> = {},
  ): Promise<SubgraphResponse> => {
    const call = hubCall(5_000, new AbortController().signal);
    return host.subgraph.execute({
      query,
      variables,
      call: { ...call, principal: { ...call.principal, ...principal } },
    });
  };
  const codeOf = (response: SubgraphResponse) => response.errors?.[0]?.extensions?.['code'];
  const states = async () =>
    (
      await database.plain.query(
        "SELECT data->>'state' AS state FROM event WHERE kind = 'CASE_CHANGED' ORDER BY position",
      )
    ).map((row: { state: string }) => row.state);

  /** Executes the query on a host whose only register is behind the lossy proxy. */
  const onlyLossy = async (variables: Record<string, unknown>): Promise<SubgraphResponse> => {
    const only = await Host.open({
      connector: registration,
      installations: [lossy.installation],
      parks: [demoParkConfig(demo)],
      database,
      keys: await loadKeys(database),
      log: createLog(() => undefined),
    });
    try {
      return await only.subgraph.execute({
        query: 'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Company { registration { status } } } }',
        variables,
        call: hubCall(5_000, new AbortController().signal),
      });
    } finally {
      await only.close();
    }
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    running = await simulator.start({
      directory,
      world: demo,
      now: () => new Date(clock),
      history: 86_400_000,
      live: false,
    });
    lossy = await openLossy(running.env['LAKESIDE_REGISTER_URL'] as string, (url) =>
      installationConfig(registration, 'lossy', { ...settings(running), url, sync: '1h', follow: '1h' }),
    );
    host = await Host.open({
      cacheReads: false,
      connector: registration,
      installations: [
        installationConfig(registration, 'reg', { ...settings(running), follow: '1h' }),
        lossy.installation,
      ],
      parks: [demoParkConfig(demo)],
      database,
      keys: await loadKeys(database),
      log: createLog((line) => lines.push(line), 'warn'),
    });
  });
  afterAll(async () => {
    await host?.close();
    await lossy?.close();
    await running?.close();
    await database?.drop();
    rmSync(directory, { recursive: true, force: true });
  });

  test('reads names page by page; changes become events, the first read emits none', async () => {
    await host.runJob('reg', 'poll register');
    const names = await database.plain.query('SELECT count(*) FROM company WHERE name IS NOT NULL');
    expect(Number(names[0].count)).toBe(40);
    // 25 entries per page; the last entry of a page is the first of the next.
    expect(readJournal(directory, 'listCompanies').length).toBeGreaterThanOrEqual(2);
    const [stored] = await database.plain.query('SELECT string_agg(fields::text, chr(10)) AS text FROM register_entry');
    for (const one of demo.companies)
      expect(stored.text).not.toContain(registerEntry(demo, one, new Date(clock)).legalRepresentative);
    const events = async () =>
      Number((await database.plain.query("SELECT count(*) FROM event WHERE kind = 'REGISTRATION_CHANGED'"))[0].count);
    expect(await events()).toBe(0);
    clock += 10 * 60_000;
    await host.runJob('reg', 'poll register');
    const emitted = await events();
    expect(emitted).toBeGreaterThan(0);
    // One event per company that changed within ten minutes, however often it is read.
    expect(emitted).toBe(changed(clock - 600_000, clock));
    await host.runJob('reg', 'poll register');
    expect(await events()).toBe(emitted);
  });

  test('returns companies outside the park by credit code; an unknown code is null', async () => {
    const ASK = 'query ($u: USCC!) { registeredCompany(uscc: $u) { uscc registration { legalName status } } }';
    const wanted = [
      ['915001050000A0013A', 'REVOKED'],
      ['915001050000A00215', 'DEREGISTERED'],
      ['915001050000A003XW', 'MOVED_OUT'],
      ['915001050000A0048W', 'ACTIVE'],
      ['915001050000A0056P', 'UNKNOWN'],
    ];
    for (const [u, status] of wanted) {
      const { data } = await ask(ASK, { u });
      expect(data).toMatchObject({ registeredCompany: { uscc: u, registration: { status } } });
    }
    expect((await ask(ASK, { u: '91350100M000100Y43' })).data).toMatchObject({ registeredCompany: null });
  });

  test('a filing is submitted once and polled until completed; each state emits an event', async () => {
    const one = await ask(SUBMIT, { i: input('s1') });
    const two = await ask(SUBMIT, { i: input('s1') });
    expect(one.errors).toBeUndefined();
    expect(JSON.stringify(two.data)).toBe(JSON.stringify(one.data));
    expect((await ask(SUBMIT, { i: input('s1', '别名') })).errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT');
    clock += 7_000;
    await host.runJob('reg', 'poll applications');
    clock += 10_000;
    await host.runJob('reg', 'poll applications');
    await host.runJob('reg', 'poll applications');
    expect(await states()).toEqual(['SENT', 'ACCEPTED', 'COMPLETED']);
    const entry = await ask(
      'query ($u: USCC!) { registeredCompany(uscc: $u) { registration { legalName capital { value } legalRepresentative legalRepresentativeMasked provenance { masked } } } }',
      { u: demo.companies[3]?.uscc },
    );
    expect(JSON.parse(JSON.stringify(entry.data))).toEqual({
      registeredCompany: {
        registration: {
          legalName: '湖畔新名（示例）有限公司',
          capital: { value: '2000000' },
          legalRepresentative: null,
          legalRepresentativeMasked: '张*',
          provenance: { masked: ['legalRepresentative'] },
        },
      },
    });
  });

  test('a filing can be withdrawn until it is completed', async () => {
    const made = (await ask(SUBMIT, { i: input('s2') })).data as { submitRegistration: { case: { id: string } } };
    const WITHDRAW = 'mutation ($i: WithdrawRegistrationInput!) { withdrawRegistration(input: $i) { receipt } }';
    expect(
      (await ask(WITHDRAW, { i: { clientMutationId: 'w1', case: made.submitRegistration.case.id } })).errors,
    ).toBeUndefined();
    expect((await states()).at(-1)).toBe('WITHDRAWN');
    const late = (await ask(SUBMIT, { i: input('s3') })).data as typeof made;
    clock += 60_000;
    const rejected = await ask(WITHDRAW, { i: { clientMutationId: 'w2', case: late.submitRegistration.case.id } });
    expect(rejected.errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT');
  });

  test('a filing whose response was lost is queried, not submitted again', async () => {
    const before = readJournal(directory, 'submitApplication').length;
    lossy.loses = 'submitApplication';
    const far = { ...input('s4'), installation: 'lossy' };
    expect(codeOf(await ask(SUBMIT, { i: far }))).toBe('SOURCE_UNAVAILABLE');
    lossy.loses = null;
    const again = await ask(SUBMIT, { i: far });
    expect(again.errors).toBeUndefined();
    expect(again.data).toMatchObject({ submitRegistration: { receipt: expect.stringMatching(/^A\d{6}$/) } });
    expect(readJournal(directory, 'submitApplication')).toHaveLength(before + 1);
  });

  test('a filing that never arrived is submitted again', async () => {
    const before = readJournal(directory, 'submitApplication').length;
    lossy.drops = 'submitApplication';
    const far = { ...input('s5'), installation: 'lossy' };
    expect(codeOf(await ask(SUBMIT, { i: far }))).toBe('SOURCE_UNAVAILABLE');
    lossy.drops = null;
    expect((await ask(SUBMIT, { i: far })).errors).toBeUndefined();
    expect(readJournal(directory, 'submitApplication')).toHaveLength(before + 1);
  });

  test('filings: rejects those for companies that the caller may not act for, and those with invalid fields', async () => {
    const mine = { companies: [demo.companies[3]?.uscc as string] };
    const theirs = { companies: [demo.companies[4]?.uscc as string] };
    expect(codeOf(await ask(SUBMIT, { i: input('f1') }, theirs))).toBe('FORBIDDEN');
    const made = await ask(SUBMIT, { i: input('f1') }, mine);
    const { id } = (made.data as { submitRegistration: { case: { id: string } } }).submitRegistration.case;
    const WITHDRAW = 'mutation ($i: WithdrawRegistrationInput!) { withdrawRegistration(input: $i) { receipt } }';
    expect(codeOf(await ask(WITHDRAW, { i: { clientMutationId: 'f2', case: id } }, theirs))).toBe('FORBIDDEN');
    expect((await ask(WITHDRAW, { i: { clientMutationId: 'f2', case: id } }, mine)).errors).toBeUndefined();
    expect(codeOf(await ask(WITHDRAW, { i: { clientMutationId: 'f3', case: 'reg:A999999' } }))).toBe('SOURCE_REJECTED');
    expect(codeOf(await ask(WITHDRAW, { i: { clientMutationId: 'f4', case: 'nowhere:1' } }))).toBe('BAD_USER_INPUT');
    for (const wrong of [
      { capital: { value: '-1', currency: 'CNY' } },
      { capital: { value: '1', currency: 'yuan' } },
      { address: ' ' },
      { scope: 'soft\u0001ware' },
      { legalName: '\ud83d' },
      { installation: 'nowhere' },
    ])
      expect(codeOf(await ask(SUBMIT, { i: { ...input('f5'), ...wrong } }))).toBe('BAD_USER_INPUT');
  });

  test('rejects a clientMutationId that was used with another register', async () => {
    expect((await ask(SUBMIT, { i: input('t1') })).errors).toBeUndefined();
    const before = readJournal(directory, 'submitApplication').length;
    expect(codeOf(await ask(SUBMIT, { i: { ...input('t1'), installation: 'lossy' } }))).toBe('BAD_USER_INPUT');
    expect(readJournal(directory, 'submitApplication')).toHaveLength(before);
  });

  test("rejects another company's entry and another filing than requested", async () => {
    const far = { ...input('t2'), installation: 'lossy' };
    lossy.change = (text) => text.replace(/<reg:REFERENCE>/, '<reg:REFERENCE>x');
    expect(codeOf(await ask(SUBMIT, { i: far }))).toBe('SOURCE_MALFORMED');
    lossy.change = null;
    expect((await ask(SUBMIT, { i: far })).errors).toBeUndefined();
    const [wanted, other] = demo.companies.map((one) => one.uscc);
    lossy.change = (text) => text.replace(`${wanted}`, `${other}`);
    const response = await onlyLossy({ r: [company(wanted)] });
    lossy.change = null;
    expect(codeOf(response)).toBe('SOURCE_MALFORMED');
  });

  test('rejects a response with the message id of another request', async () => {
    lossy.mixes = true;
    const response = await onlyLossy({ r: [company(demo.companies[0]?.uscc)] });
    lossy.mixes = false;
    expect(codeOf(response)).toBe('SOURCE_MALFORMED');
  });

  test('X-Road messages: rejects a response whose headers do not match the request', () => {
    const route = {
      client: { instance: 'A', memberClass: 'B', memberCode: 'C', subsystem: 'D' },
      service: { instance: 'A', memberClass: 'B', memberCode: 'C', subsystem: 'E' },
      code: 'x',
      version: null,
      id: '1',
      userId: null,
    };
    const sent = mapping.routeHeaders(route);
    expect(() => mapping.assertSameRoute(sent, [...sent].reverse())).not.toThrow();
    expect(() => mapping.assertSameRoute(sent, mapping.routeHeaders({ ...route, id: '2' }))).toThrow(
      'response header id does not match the request',
    );
    expect(() =>
      mapping.assertSameRoute(
        sent,
        sent.filter((one) => !one.name.endsWith('service')),
      ),
    ).toThrow('no header service');
  });

  test('X-Road messages: maps faults to temporary failures and rejections, for both SOAP versions', () => {
    const code = (name: string) => mapping.faultToError({ code: name, text: '', detail: null }).code;
    expect(code('Server.ServerProxy.NetworkError')).toBe('SOURCE_UNAVAILABLE');
    expect(code('Server')).toBe('SOURCE_UNAVAILABLE');
    for (const name of [
      'Client',
      'Client.BadRequest',
      'Server.ServerProxy.AccessDenied',
      'Server.ClientProxy.UnknownMember',
    ])
      expect(code(name)).toBe('SOURCE_REJECTED');
    const twelve = readEnvelope(
      '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>x:NotAuthorized</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en">no</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>',
    );
    expect(twelve.fault).toMatchObject({ code: 'Sender.NotAuthorized', text: 'no' });
  });

  test('XML survives a round trip; rejects entities and document types', () => {
    const body = element('{urn:x}a', [element('{urn:y}b', 'x < & "y"', { '{urn:z}c': '<1>' })]);
    expect(readEnvelope(writeEnvelope([], body, SOAP12)).body).toEqual(body);
    expect(() => readXml('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>')).toThrow();
    expect(() => readXml('<a><b></a>')).toThrow(/well-formed/);
  });

  test('escapes characters that XML normalizes; decodes the declared charset, or rejects', () => {
    const text = 'a\r\nb\tc';
    const sent = readXml(writeXml(element('a', text, { b: text })));
    expect([sent.text, sent.attributes['b']]).toEqual([text, text]);
    const chinese = Buffer.from([0xba, 0xfe]); // 湖 in GB18030
    const declared = Buffer.concat([Buffer.from('<?xml version="1.0" encoding="GB18030"?><a>'), chinese]);
    expect(decodeXml(declared)).toContain('湖');
    expect(decodeXml(chinese, 'text/xml; charset="gbk"')).toBe('湖');
    expect(() => decodeXml(chinese, 'text/xml')).toThrow('not encoded in utf-8');
    expect(() => decodeXml(chinese, 'text/xml; charset=klingon')).toThrow('klingon');
  });

  const parse = (fields: string) =>
    mapping.parseEntry(readXml(`<r><company><UNISCID>915001050000A0048W</UNISCID>${fields}</company></r>`));

  test.each([
    ['存续（在营、开业、在册）', 'ACTIVE'],
    ['在营（开业）企业', 'ACTIVE'],
    ['吊销，未注销', 'REVOKED'],
    ['吊销，已注销', 'DEREGISTERED'],
    ['注销', 'DEREGISTERED'],
    ['拟注销', 'UNKNOWN'],
    ['未开业', 'UNKNOWN'],
    ['停业', 'SUSPENDED'],
    ['迁出', 'MOVED_OUT'],
    ['筹建', 'PENDING'],
    ['', 'UNKNOWN'],
  ])('%s is %s', (words, status) => {
    expect(parse(`<REGSTATE_CN>${words}</REGSTATE_CN>`)?.status).toBe(status);
  });

  test('accepts an early code of Xiamen that fails its check digit, with a note; rejects such a code elsewhere', () => {
    const companies = ['91350203M0001QKT19', '91350211M000100Y46', '91440300M0001QKT19']
      .map((one) => `<company><UNISCID>${one}</UNISCID></company>`)
      .join('');
    const { entries, notes, refused } = mapping.parseEntryPage(readXml(`<r><total>3</total>${companies}</r>`));
    expect(entries.map((one) => one.uscc)).toEqual(['91350203M0001QKT19', '91350211M000100Y46']);
    expect(notes).toEqual([expect.stringMatching(/^company\[0\]\.UNISCID/)]);
    expect(refused).toEqual([expect.stringMatching(/^company\[2\]\.UNISCID/)]);
  });

  test('parses currency names and numbers, dates and times; rejects invalid ones', () => {
    const money = (word: string) => parse(`<REGCAP>10</REGCAP><REGCAPCUR>${word}</REGCAPCUR>`)?.capital?.currency;
    expect(['人民币', '156', '', 'USD', '美元', '港元'].map(money)).toEqual(['CNY', 'CNY', 'CNY', 'USD', 'USD', 'HKD']);
    expect(() => money('贝壳')).toThrow('REGCAPCUR is not a known currency');
    for (const text of ['20240229', '2024-02-29', '2024-02-29 00:00:00'])
      expect(parse(`<APPRDATE>${text}</APPRDATE>`)?.approvedOn).toBe('2024-02-29');
    for (const text of ['20230229', '00000000', '2024-02-291', '2024'])
      expect(() => parse(`<APPRDATE>${text}</APPRDATE>`)).toThrow('APPRDATE is not a date');
    // Without an offset the time is in the register's time zone, not in the hub's.
    for (const text of ['2026-03-01T08:00:00+08:00', '2026-03-01T00:00:00Z', '2026-03-01 08:00:00'])
      expect(parse(`<CHANGED>${text}</CHANGED>`)?.changedAt?.toISOString()).toBe('2026-03-01T00:00:00.000Z');
    expect(() => parse('<CHANGED>yesterday</CHANGED>')).toThrow('CHANGED is not a time');
  });

  test('converts amounts to and from ten thousands exactly', () => {
    for (const [units, thousands] of [
      ['1505000', '150.5'],
      ['1', '0.0001'],
      ['20000', '2'],
      ['0', '0'],
      ['123456.78', '12.345678'],
    ] as const) {
      expect(mapping.fromTenThousands(thousands)).toBe(units);
      expect(mapping.toTenThousands(units)).toBe(thousands);
    }
  });
});
