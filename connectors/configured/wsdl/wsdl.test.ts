/** A system with a WSDL description keeps the contract without code of its own; its faults, gaps and changes are told for what they are. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSettings } from '../../kit/config/settings.ts';
import { DeclarationError } from '../../kit/connector.ts';
import { readEnvelope, writeXml } from '../../kit/protocols/soap.ts';
import { conformance } from '../../kit/testing/conformance/conformance.ts';
import { polled, standing } from '../../kit/testing/conformance/conformance-ingest.ts';
import { world } from '../../kit/testing/park/index.ts';
import type { Running } from '../../kit/testing/simulator.ts';
import type { Ask } from '../core/declaration.ts';
import { rawRows, row, type TypedEntity } from '../core/mapping.ts';
import { driftOf } from '../description/description-drift.ts';
import { draftWsdl } from '../draft/draft-wsdl.ts';
import { simulator as heating } from '../simulator/heating.ts';
import wsdl from './index.ts';
import { loadWsdl } from './load-wsdl.ts';
import { resolved } from './multi-ref.ts';
import { answerOf, questionOf } from './soap-message.ts';
import { readWsdl, type SoapOperation, type Wsdl } from './wsdl-document.ts';

const simulator = standing(heating);
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
const connector = await wsdl.make('heating', [settings], FOLDER);
const described = (text: string): Promise<Wsdl> =>
  readWsdl('heating.wsdl', async (place, from) => (from === '' ? { text, place } : null));
const description = await described(TEXT);
const operation = (name: string) => description.operations.get(name) as SoapOperation;
const types = { state: 'String', measuredAt: 'DateTime', temperature: 'Decimal', pressure: 'Decimal', heat: 'Decimal' };
const entity = {
  ...settings.entities[0],
  types: new Map(Object.entries({ ...types, revision: 'Int' })),
} as TypedEntity;
const reading = { zone: '+08:00', wanted: new Set(['station', 'station.state', 'station.measured']) };

const envelope = (body: string): string =>
  `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:h="http://heating.example/stations"><s:Body>${body}</s:Body></s:Envelope>`;
const soap =
  (status: string, body: string) =>
  (socket: Socket, asked = (): void => undefined) => {
    const text = envelope(body);
    socket.on('data', (bytes: Buffer) => {
      // The head of a request and its body may come apart.
      if (bytes.toString('latin1').startsWith('POST')) asked();
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
  settings: ({ env }: Running) => settingsOf(env['LAKESIDE_HEATING_URL'] ?? '', env['LAKESIDE_HEATING_KEY']),
  settingsAt: ({ host, port }, { env }) => settingsOf(`http://${host}:${port}/soap`, env['LAKESIDE_HEATING_KEY']),
  question: (world) => ({
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
    isUnknown: (one) => one?.['heating'] === null,
    calls: 1,
  }),
  live: { question: HEATING, variables: (world) => ({ r: buildings([world.buildings[0]?.id ?? '']) }) },
  nonsense: {
    serve: soap(
      '200 OK',
      `<h:ListStationsResponse><h:stations><h:station>${STATION}</h:station></h:stations></h:ListStationsResponse>`,
    ),
    field: /ListStations\.stations\.station\[0\]\.measured is missing/,
  },
  refusal: {
    serve: soap(
      '500 Internal Server Error',
      '<s:Fault><faultcode>s:Client</faultcode><faultstring>No.</faultstring></s:Fault>',
    ),
  },
  inflow: {
    'poll HeatStation': polled('poll HeatStation', () => {
      simulator.move(60_000);
      return world().buildings.length;
    }),
  },
  twice: { job: 'poll HeatStation', state: "SELECT count(*) FROM event WHERE kind = 'RECORD_CHANGED'" },
  fixture: (_name, bytes) => {
    const { body } = readEnvelope(bytes.toString('utf8'));
    if (!body) throw new Error('The fixture has no body.');
    const answer = answerOf(operation('ListStations'), body, reading);
    return rawRows(answer, entity.joins[0]?.ask as Ask).map((one) => ({
      ...row(entity, one.raw, one.where),
      asked: one.key,
    }));
  },
});

const bodyOf = (xml: string) => {
  const { body } = readEnvelope(envelope(xml));
  if (!body) throw new Error('no body');
  return body;
};

describe('a description', () => {
  test('questions are written in its order, within its wrappers', () => {
    const asked = questionOf(operation('ListStations'), { 'sites.site': ['B01', 'B<2'] });
    expect(writeXml(asked)).toBe(
      '<n1:ListStations xmlns:n1="http://heating.example/stations"><n1:sites><n1:site>B01</n1:site><n1:site>B&lt;2</n1:site></n1:sites></n1:ListStations>',
    );
    expect(writeXml(questionOf(operation('GetStatus'), {}))).toMatch(/^<n1:GetStatus [^<]*><\/n1:GetStatus>$/);
  });

  test('what must be there and is asked for is missed by name; what nobody asks for is not', () => {
    const read = (inner: string) =>
      answerOf(operation('GetStation'), bodyOf(`<h:GetStationResponse>${inner}</h:GetStationResponse>`), reading);
    const part = '<h:serial>HS-1</h:serial><h:state>OFF</h:state><h:measured>2026-03-01T08:00:00</h:measured>';
    expect(read(`<h:station>${part}</h:station>`)['station']).toMatchObject({
      ...{ serial: 'HS-1', site: null, measured: '2026-03-01T08:00:00+08:00', alarms: { alarm: [] } },
    });
    expect(() => read(`<h:station>${part.replace(/<h:state>.*state>/, '')}</h:station>`)).toThrow(
      'GetStation.station.state is missing',
    );
    expect(() => read('')).toThrow('GetStation.station is missing');
    expect(() => read(`<h:station>${part}</h:station><h:station>${part}</h:station>`)).toThrow('stands 2 times');
    expect(() => answerOf(operation('GetStatus'), bodyOf('<h:Other/>'), reading)).toThrow('the body is Other');
  });

  test('what an answer writes once and points at later is read in both places; a circle is left alone', () => {
    const body = bodyOf(
      '<h:a><h:b id="r1" unit="Cel">1</h:b><h:c href="#r1"/><h:d id="r2"><h:e href="#r2"/></h:d></h:a>',
    );
    const [first, again, circle] = resolved(body).children;
    expect(again).toMatchObject({ name: '{http://heating.example/stations}c', text: '1', attributes: { unit: 'Cel' } });
    expect(first?.text).toBe('1');
    expect(circle?.children[0]?.children).toEqual([]);
    const twice = (n: number) => `<h:x id="r${n}"><h:y href="#r${n + 1}"/><h:y href="#r${n + 1}"/></h:x>`;
    const laughs = Array.from({ length: 40 }, (_, n) => twice(n)).join('');
    expect(() => resolved(bodyOf(`<h:a>${laughs}<h:x id="r40">1</h:x></h:a>`))).toThrow('without an end');
  });

  test('operations in rpc are left out with the reason; what is no description is refused', async () => {
    const rpc = await described(TEXT.replace('style="document"', 'style="rpc"'));
    expect([...rpc.operations.keys()]).toEqual([]);
    expect(rpc.left).toContain('GetStation is in the style rpc');
    await expect(described('<a/>')).rejects.toThrow(/cannot be read as WSDL/);
    await expect(described('no XML')).rejects.toThrow(/cannot be read as WSDL/);
    // Whatever it is, a hub starts without it.
    for (const file of ['.', 'fixtures/full.out.json', 'nowhere.wsdl'])
      await expect(loadWsdl(file, FOLDER, [])).rejects.toBeInstanceOf(DeclarationError);
    const endless = TEXT.replace(
      '<xs:complexType name="Stations">',
      '<xs:group name="G"><xs:sequence><xs:group ref="tns:G"/><xs:element name="g" type="xs:int"/></xs:sequence></xs:group>' +
        '<xs:complexType name="Other"><xs:group ref="tns:G"/></xs:complexType><xs:complexType name="Stations">',
    ).replace('name="ready" type="xs:boolean"', 'name="ready" type="tns:Other"');
    expect((await described(endless)).operations.get('GetStatus')?.at(['ready'])?.parts).toEqual(['g']);
  });

  test('what another one no longer has is told with the fields that live on it; what nobody asks for is not', async () => {
    const drift = async (from: string | RegExp, to: string) =>
      driftOf(description, await described(TEXT.replace(from, to)), [entity], 'element');
    expect(await drift('<xs:element name="pressure" type="xs:decimal" minOccurs="0"/>', '')).toEqual([
      { what: 'the element GetStation.station.supply.pressure is gone', fields: ['HeatStation.pressure'] },
      { what: 'the element ListStations.stations.station.supply.pressure is gone', fields: ['HeatStation.pressure'] },
    ]);
    expect(await drift('name="heat" type="xs:long"', 'name="heat" type="xs:boolean"')).toHaveLength(2);
    const [gone] = await drift(/<operation name="GetStation">\s*<soap:[\s\S]*?<\/operation>/, '');
    expect(gone?.what).toBe('the operation GetStation is gone');
    expect(gone?.fields).toContain('HeatStation.temperature');
    expect(
      (await drift('name="site" type="xs:string" maxOccurs', 'name="code" type="xs:string" maxOccurs'))[0]?.what,
    ).toBe('ListStations takes no argument sites.site any more');
    expect(await drift('name="text" type="xs:string"', 'name="words" type="xs:string"')).toEqual([]);
  });

  test('a draft leaves alone what may change something, and follows no list that comes in pages', async () => {
    const { drafted, left } = draftWsdl(description);
    expect(left).toEqual(['left alone, since they may change something: SetTarget']);
    expect(drafted).toHaveLength(1);
    expect(drafted[0]?.declaration).toMatchObject({
      key: 'serial',
      fetch: { operation: 'GetStation', rows: 'station', argument: 'serial' },
      list: { operation: 'ListStations', rows: 'stations.station' },
      fields: { supplyTemperature: 'supply.temperature.value', site: { from: 'site', link: 'Building.id' } },
      on: { 'Building.stations': { argument: 'sites.site', match: 'site', many: true } },
    });
    expect(drafted[0]?.notes.join()).toContain('100 cost 100 calls');
    const paged = draftWsdl(
      await described(
        TEXT.replace(
          '<xs:element name="stations" type="tns:Stations" minOccurs="0"/>',
          '<xs:element name="nextPage" type="xs:string"/><xs:element name="stations" type="tns:Stations" minOccurs="0"/>',
        ),
      ),
    );
    expect(paged.drafted[0]?.declaration).not.toHaveProperty('list');
    expect(paged.drafted[0]?.notes.join()).toContain('comes in pages (nextPage)');
  });
});
