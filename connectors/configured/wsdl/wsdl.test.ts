/** Runs the conformance suite on a system with a WSDL description, and tests reading descriptions, messages, drift and drafts. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSettings } from '../../kit/config/settings.ts';
import { DeclarationError } from '../../kit/errors.ts';
import { readEnvelope, writeXml } from '../../kit/protocols/soap.ts';
import { conformance } from '../../kit/testing/conformance/conformance.ts';
import { polledList, withManualClock } from '../../kit/testing/conformance/conformance-ingest.ts';
import { createWorld } from '../../kit/testing/park/index.ts';
import type { RunningSimulator } from '../../kit/testing/simulator.ts';
import type { RowQuery } from '../core/declaration.ts';
import { extractRows, mapRow, type TypedEntity } from '../core/mapping.ts';
import { compareDescriptions } from '../description/description-drift.ts';
import { draftWsdl } from '../draft/draft-wsdl.ts';
import { simulator as heating } from '../simulator/heating.ts';
import wsdl from './index.ts';
import { loadWsdl } from './load-wsdl.ts';
import { resolveReferences } from './multi-ref.ts';
import { requestBody, responseData } from './soap-message.ts';
import { readWsdl, type SoapOperation, type Wsdl } from './wsdl-document.ts';

const simulator = withManualClock(heating);
const FOLDER = join(import.meta.dirname, 'heating');
const TEXT = readFileSync(join(FOLDER, 'heating.wsdl'), 'utf8');
const LIST = { operation: 'ListStations', rows: 'stations.station' };
const ENTITIES = {
  HeatStation: {
    key: 'serial',
    fetch: { operation: 'GetStation', argument: 'serial', rows: 'station' },
    list: { ...LIST, every: '1h' },
    recordedAt: 'measured',
    fields: {
      serial: 'serial',
      state: 'state',
      measuredAt: 'measured',
      temperature: 'supply.temperature.value',
      pressure: 'supply.pressure',
      heat: 'heat',
      revision: 'revision',
      building: { from: 'site', link: 'Building.id' },
      company: { from: 'credit_code', link: 'Company.uscc' },
    },
    on: { 'Building.heating': { ...LIST, argument: 'sites.site', match: 'site' } },
  },
};
const settingsOf = (url: string, key = '') => ({
  ...{ system: 'heating', wsdl: 'heating.wsdl', url, headers: { 'x-api-key': key } },
  ...{ check: 'GetStatus', absent: 'StationNotFound', entities: ENTITIES },
});
const settings = readSettings(wsdl.settings, settingsOf('http://127.0.0.1:9')).values;
if (settings === null) throw new Error('The settings of the test are wrong.');
const connector = await wsdl.createConnector('heating', [settings], FOLDER);
const described = (text: string): Promise<Wsdl> =>
  readWsdl('heating.wsdl', async (place, from) => (from === '' ? { text, place } : null));
const description = await described(TEXT);
const operation = (name: string) => description.operations.get(name) as SoapOperation;
const types = { state: 'String', measuredAt: 'DateTime', temperature: 'Decimal', pressure: 'Decimal', heat: 'Decimal' };
const entity = {
  ...settings.entities[0],
  types: new Map(Object.entries({ ...types, revision: 'Int' })),
} as TypedEntity;
const options = { zone: '+08:00', usedPaths: new Set(['station', 'station.state', 'station.measured']) };

const envelope = (body: string): string =>
  `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:h="http://heating.example/stations"><s:Body>${body}</s:Body></s:Envelope>`;
const soap =
  (status: string, body: string) =>
  (socket: Socket, onRequest = (): void => undefined) => {
    const text = envelope(body);
    socket.on('data', (bytes: Buffer) => {
      // Head and body of a request may arrive separately.
      if (bytes.toString('latin1').startsWith('POST')) onRequest();
      socket.end(
        `HTTP/1.1 ${status}\r\ncontent-type: text/xml\r\ncontent-length: ${text.length}\r\nconnection: close\r\n\r\n${text}`,
      );
    });
  };
const STATION = '<h:serial>HS-1</h:serial><h:site>B01</h:site><h:state>OFF</h:state>';
const buildings = (codes: readonly string[]) => codes.map((id) => ({ __typename: 'Building', id }));
const HEATING =
  'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Building { heating { state temperature heat measuredAt } } } }';

conformance({
  connector,
  simulator,
  folder: FOLDER,
  settings: ({ env }: RunningSimulator) => settingsOf(env['LAKESIDE_HEATING_URL'] ?? '', env['LAKESIDE_HEATING_KEY']),
  settingsAt: ({ host, port }, { env }) => settingsOf(`http://${host}:${port}/soap`, env['LAKESIDE_HEATING_KEY']),
  sampleQuery: (world) => ({
    query: HEATING,
    variables: { r: buildings([world.buildings[0]?.id ?? '']) },
    check: (data) => {
      if (!/"temperature":"[\d.]+","heat":"3\d{9}"/.test(JSON.stringify(data))) throw new Error(JSON.stringify(data));
    },
  }),
  batch: (world) => ({
    representations: buildings([world.buildings[0]?.id ?? '', 'no-such-building', world.buildings[1]?.id ?? '']),
    selection: '... on Building { id heating { state } }',
    unknown: 1,
    isUnknown: (building) => building?.['heating'] === null,
    calls: 1,
  }),
  live: { query: HEATING, variables: (world) => ({ r: buildings([world.buildings[0]?.id ?? '']) }) },
  malformed: {
    serve: soap(
      '200 OK',
      `<h:ListStationsResponse><h:stations><h:station>${STATION}</h:station></h:stations></h:ListStationsResponse>`,
    ),
    field: /ListStations\.stations\.station\[0\]\.measured is missing/,
  },
  rejection: {
    serve: soap(
      '500 Internal Server Error',
      '<s:Fault><faultcode>s:Client</faultcode><faultstring>No.</faultstring></s:Fault>',
    ),
  },
  ingest: {
    'poll HeatStation': polledList('poll HeatStation', () => {
      simulator.advance(60_000);
      return createWorld().buildings.length;
    }),
  },
  idempotentJob: { job: 'poll HeatStation', state: "SELECT count(*) FROM event WHERE kind = 'RECORD_CHANGED'" },
  fixture: (_name, bytes) => {
    const { body } = readEnvelope(bytes.toString('utf8'));
    if (!body) throw new Error('The fixture has no body.');
    const response = responseData(operation('ListStations'), body, options);
    return extractRows(response, entity.joins[0]?.ask as RowQuery).map(({ raw, where, key }) => ({
      ...mapRow(entity, raw, where),
      asked: key,
    }));
  },
});

const bodyOf = (xml: string) => {
  const { body } = readEnvelope(envelope(xml));
  if (!body) throw new Error('no body');
  return body;
};

describe('WSDL', () => {
  test('requests are written in the order of the description, with its wrapper elements', () => {
    const request = requestBody(operation('ListStations'), { 'sites.site': ['B01', 'B<2'] });
    expect(writeXml(request)).toBe(
      '<n1:ListStations xmlns:n1="http://heating.example/stations"><n1:sites><n1:site>B01</n1:site><n1:site>B&lt;2</n1:site></n1:sites></n1:ListStations>',
    );
    expect(writeXml(requestBody(operation('GetStatus'), {}))).toMatch(/^<n1:GetStatus [^<]*><\/n1:GetStatus>$/);
  });

  test('SOAP message: a missing required part of a response is an error with its name if it is used, else null', () => {
    const read = (inner: string) =>
      responseData(operation('GetStation'), bodyOf(`<h:GetStationResponse>${inner}</h:GetStationResponse>`), options);
    const part = '<h:serial>HS-1</h:serial><h:state>OFF</h:state><h:measured>2026-03-01T08:00:00</h:measured>';
    expect(read(`<h:station>${part}</h:station>`)['station']).toMatchObject({
      ...{ serial: 'HS-1', site: null, measured: '2026-03-01T08:00:00+08:00', alarms: { alarm: [] } },
    });
    expect(() => read(`<h:station>${part.replace(/<h:state>.*state>/, '')}</h:station>`)).toThrow(
      'GetStation.station.state is missing',
    );
    expect(() => read('')).toThrow('GetStation.station is missing');
    expect(() => read(`<h:station>${part}</h:station><h:station>${part}</h:station>`)).toThrow('occurs 2 times');
    expect(() => responseData(operation('GetStatus'), bodyOf('<h:Other/>'), options)).toThrow(
      'the body contains Other',
    );
  });

  test('references within a response are resolved; a circular one is kept, and expansion is bounded', () => {
    const body = bodyOf(
      '<h:a><h:b id="r1" unit="Cel">1</h:b><h:c href="#r1"/><h:d id="r2"><h:e href="#r2"/></h:d></h:a>',
    );
    const [first, second, circle] = resolveReferences(body).children;
    expect(second).toMatchObject({
      name: '{http://heating.example/stations}c',
      text: '1',
      attributes: { unit: 'Cel' },
    });
    expect(first?.text).toBe('1');
    expect(circle?.children[0]?.children).toEqual([]);
    const twice = (n: number) => `<h:x id="r${n}"><h:y href="#r${n + 1}"/><h:y href="#r${n + 1}"/></h:x>`;
    const laughs = Array.from({ length: 40 }, (_, n) => twice(n)).join('');
    expect(() => resolveReferences(bodyOf(`<h:a>${laughs}<h:x id="r40">1</h:x></h:a>`))).toThrow(
      'too large after resolving',
    );
  });

  test('rpc operations are skipped with the reason; an invalid description is rejected', async () => {
    const rpc = await described(TEXT.replace('style="document"', 'style="rpc"'));
    expect([...rpc.operations.keys()]).toEqual([]);
    expect(rpc.skipped).toContain('GetStation uses the rpc style');
    await expect(described('<a/>')).rejects.toThrow(/cannot be read as WSDL/);
    await expect(described('no XML')).rejects.toThrow(/cannot be read as WSDL/);
    // A `DeclarationError` lets the hub start without the system.
    for (const file of ['.', 'fixtures/full.out.json', 'nowhere.wsdl'])
      await expect(loadWsdl(file, FOLDER, [])).rejects.toBeInstanceOf(DeclarationError);
    const endless = TEXT.replace(
      '<xs:complexType name="Stations">',
      '<xs:group name="G"><xs:sequence><xs:group ref="tns:G"/><xs:element name="g" type="xs:int"/></xs:sequence></xs:group>' +
        '<xs:complexType name="Other"><xs:group ref="tns:G"/></xs:complexType><xs:complexType name="Stations">',
    ).replace('name="ready" type="xs:boolean"', 'name="ready" type="tns:Other"');
    expect((await described(endless)).operations.get('GetStatus')?.resultAt(['ready'])?.members).toEqual(['g']);
  });

  test('drift names what is missing in the new version with the graph fields that depend on it, if it is used', async () => {
    const drift = async (from: string | RegExp, to: string) =>
      compareDescriptions(description, await described(TEXT.replace(from, to)), [entity], 'element');
    expect(await drift('<xs:element name="pressure" type="xs:decimal" minOccurs="0"/>', '')).toEqual([
      { description: 'the element GetStation.station.supply.pressure is gone', fields: ['HeatStation.pressure'] },
      {
        description: 'the element ListStations.stations.station.supply.pressure is gone',
        fields: ['HeatStation.pressure'],
      },
    ]);
    expect(await drift('name="heat" type="xs:long"', 'name="heat" type="xs:boolean"')).toHaveLength(2);
    const [gone] = await drift(/<operation name="GetStation">\s*<soap:[\s\S]*?<\/operation>/, '');
    expect(gone?.description).toBe('the operation GetStation is gone');
    expect(gone?.fields).toContain('HeatStation.temperature');
    expect(
      (await drift('name="site" type="xs:string" maxOccurs', 'name="code" type="xs:string" maxOccurs'))[0]?.description,
    ).toBe('ListStations no longer accepts the argument sites.site');
    expect(await drift('name="text" type="xs:string"', 'name="words" type="xs:string"')).toEqual([]);
  });

  test('a draft skips operations that may write, and polls no paged list', async () => {
    const { drafts, skipped } = draftWsdl(description);
    expect(skipped).toEqual(['skipped, since they may write: SetTarget']);
    expect(drafts).toHaveLength(1);
    expect(drafts[0]?.declaration).toMatchObject({
      key: 'serial',
      fetch: { operation: 'GetStation', rows: 'station', argument: 'serial' },
      list: { operation: 'ListStations', rows: 'stations.station' },
      fields: { supplyTemperature: 'supply.temperature.value', site: { from: 'site', link: 'Building.id' } },
      on: { 'Building.stations': { argument: 'sites.site', match: 'site', many: true } },
    });
    expect(drafts[0]?.notes.join()).toContain('100 keys cost 100 calls');
    const paged = draftWsdl(
      await described(
        TEXT.replace(
          '<xs:element name="stations" type="tns:Stations" minOccurs="0"/>',
          '<xs:element name="nextPage" type="xs:string"/><xs:element name="stations" type="tns:Stations" minOccurs="0"/>',
        ),
      ),
    );
    expect(paged.drafts[0]?.declaration).not.toHaveProperty('list');
    expect(paged.drafts[0]?.notes.join()).toContain('is paged (nextPage)');
  });
});
