import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SubgraphResponse } from '../kit/connector.ts';
import { Host } from '../kit/host/host.ts';
import { hubCall, loadKeys } from '../kit/host/services.ts';
import { silentLog } from '../kit/log.ts';
import { readSettings } from '../kit/settings.ts';
import { element, readEnvelope, readXml, SOAP12, writeEnvelope } from '../kit/soap.ts';
import { conformance, demoPark } from '../kit/testing/conformance.ts';
import { freshDatabase } from '../kit/testing/database.ts';
import { world } from '../kit/testing/park.ts';
import type { Running } from '../kit/testing/simulator.ts';
import registration from './index.ts';
import * as mapping from './mapping.ts';
import { simulator } from './simulator.ts';

const demo = world();
const settings = ({ env }: Running) => ({
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

conformance({
  connector: registration,
  simulator,
  folder: import.meta.dirname,
  settings,
  settingsAt: ({ host, port }, running) => ({ ...settings(running), url: `http://${host}:${port}/` }),
  question: () => ({
    query: ENTRY,
    variables: { r: [company(demo.companies[0]?.uscc)] },
    check: (data) =>
      expect(data['_entities']).toEqual([
        { uscc: demo.companies[0]?.uscc, registration: { legalName: demo.companies[0]?.name, status: 'ACTIVE' } },
      ]),
  }),
  // The register knows no batch: N codes are N calls, each once, under the guard's limit.
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
  live: { question: ENTRY, variables: () => ({ r: [company(demo.companies[0]?.uscc)] }) },
  nonsense: {
    serve: (socket) => socket.on('data', () => socket.end(http(200, '<html></html>'))),
    field: /no SOAP envelope/,
  },
  refusal: {
    serve: (socket) => socket.on('data', () => socket.end(http(500, fault('Server.ServerProxy.AccessDenied')))),
  },
  twice: { job: 'poll register', state: 'SELECT uscc, fields FROM register_entry ORDER BY 1' },
  fixture: (name, bytes) =>
    name === 'company'
      ? mapping.entry(readXml(bytes.toString('utf8')))
      : mapping.application(readXml(bytes.toString('utf8'))),
});

describe('registration', () => {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-register-'));
  let clock = Date.now();
  let running: Running;
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let host: Host;
  const ask = (query: string, variables: Record<string, unknown> = {}): Promise<SubgraphResponse> =>
    host.subgraph.execute({ query, variables, call: hubCall(5_000, new AbortController().signal) });
  const input = (clientMutationId: string, legalName = '湖畔新名（示例）有限公司') => ({
    clientMutationId,
    installation: 'reg',
    uscc: demo.companies[3]?.uscc,
    legalName,
    legalRepresentative: '张安',
    capital: { value: '2000000', currency: 'CNY' },
    scope: '软件开发',
    address: '湖畔路2号',
  });
  const SUBMIT =
    'mutation ($i: SubmitRegistrationInput!) { submitRegistration(input: $i) { receipt case { id } provenance { source } } }';
  const states = async () =>
    (
      await database.plain.query(
        "SELECT data->>'state' AS state FROM event WHERE kind = 'CASE_CHANGED' ORDER BY position",
      )
    ).map((row: { state: string }) => row.state);

  beforeAll(async () => {
    database = await freshDatabase();
    running = await simulator.start({
      directory,
      world: demo,
      now: () => new Date(clock),
      history: 86_400_000,
      live: false,
    });
    const { values } = readSettings(registration.settings, { ...settings(running), follow: '1h' });
    host = await Host.raise({
      connector: registration,
      installations: [{ id: 'reg', park: 'lakeside', connector: 'registration', settings: values, protocol: 'x-road' }],
      parks: [demoPark(demo)],
      database,
      keys: await loadKeys(database),
      log: silentLog,
    });
  });
  afterAll(async () => {
    await host?.close();
    await running?.close();
    await database?.drop();
    rmSync(directory, { recursive: true, force: true });
  });

  test('names are read page by page, changes become events, the first reading tells none', async () => {
    await host.runJob('reg', 'poll register');
    const names = await database.plain.query('SELECT count(*) FROM company WHERE name IS NOT NULL');
    expect(Number(names[0].count)).toBe(40);
    const events = async () =>
      Number((await database.plain.query("SELECT count(*) FROM event WHERE kind = 'REGISTRATION_CHANGED'"))[0].count);
    expect(await events()).toBe(0);
    clock += 10 * 60_000;
    await host.runJob('reg', 'poll register');
    expect(await events()).toBeGreaterThan(0);
  });

  test('a filing: sent once, followed to its end, and each step told', async () => {
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

  test('a filing can be taken back while it is under way, and only then', async () => {
    const made = (await ask(SUBMIT, { i: input('s2') })).data as { submitRegistration: { case: { id: string } } };
    const WITHDRAW = 'mutation ($i: WithdrawRegistrationInput!) { withdrawRegistration(input: $i) { receipt } }';
    expect(
      (await ask(WITHDRAW, { i: { clientMutationId: 'w1', case: made.submitRegistration.case.id } })).errors,
    ).toBeUndefined();
    expect((await states()).at(-1)).toBe('WITHDRAWN');
    const late = (await ask(SUBMIT, { i: input('s3') })).data as typeof made;
    clock += 60_000;
    const refused = await ask(WITHDRAW, { i: { clientMutationId: 'w2', case: late.submitRegistration.case.id } });
    expect(refused.errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT');
  });

  test('an answer to another question is refused', () => {
    const route = {
      client: { instance: 'A', memberClass: 'B', memberCode: 'C', subsystem: 'D' },
      service: { instance: 'A', memberClass: 'B', memberCode: 'C', subsystem: 'E' },
      code: 'x',
      version: null,
      id: '1',
      userId: null,
    };
    const sent = mapping.routeHeaders(route);
    expect(() => mapping.checkRoute(sent, [...sent].reverse())).not.toThrow();
    expect(() => mapping.checkRoute(sent, mapping.routeHeaders({ ...route, id: '2' }))).toThrow(
      'header id is not ours',
    );
    expect(() =>
      mapping.checkRoute(
        sent,
        sent.filter((one) => !one.name.endsWith('service')),
      ),
    ).toThrow('no header service');
  });

  test('faults: what passes, what is an answer; both versions of SOAP', () => {
    const code = (name: string) => mapping.faultError({ code: name, text: '', detail: null }).code;
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

  test('XML goes out and comes back as it was; entities and document types are not followed', () => {
    const body = element('{urn:x}a', [element('{urn:y}b', 'x < & "y"', { '{urn:z}c': '<1>' })]);
    expect(readEnvelope(writeEnvelope([], body, SOAP12)).body).toEqual(body);
    expect(() => readXml('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>')).toThrow();
    expect(() => readXml('<a><b></a>')).toThrow(/well-formed/);
  });

  test('amounts in ten thousands are exact both ways', () => {
    for (const [units, thousands] of [
      ['1505000', '150.5'],
      ['1', '0.0001'],
      ['20000', '2'],
      ['0', '0'],
      ['123456.78', '12.345678'],
    ] as const) {
      expect(mapping.tenThousand(thousands)).toBe(units);
      expect(mapping.inTenThousands(units)).toBe(thousands);
    }
  });
});
