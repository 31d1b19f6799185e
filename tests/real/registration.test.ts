/** X-Road's published messages, real credit codes and GB/T 2260 regions: written messages are equal to them, and read values match. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { XMLParser } from 'fast-xml-parser';
import { describe, expect, test } from 'vitest';
import {
  child,
  element,
  localName,
  readEnvelope,
  readXml,
  writeEnvelope,
  type XmlElement,
} from '../../connectors/kit/protocols/soap.ts';
import { createWorld } from '../../connectors/kit/testing/park/index.ts';
import * as mapping from '../../connectors/registration/mapping/index.ts';
import { isRegionCode, maskPlate, parsePlate, parseUscc } from '../../schema/graph/identifiers.ts';
import { samplePath } from './data.ts';

const ROOT = samplePath('registration');

const file = (...path: readonly string[]): string => readFileSync(join(ROOT, ...path), 'utf8');
const example = (name: string): string => file('xroad', 'examples', `${name}.xml`);

type Node = Record<string, unknown>;

/**
 * A message in canonical form, by an independent parser: prefixes resolved, attributes sorted, white space between elements removed.
 * The order of header blocks has no meaning in SOAP, so they are sorted.
 */
function canonical(xml: string): unknown {
  const parser = new XMLParser({
    preserveOrder: true,
    ignoreAttributes: false,
    attributeNamePrefix: '',
    parseTagValue: false,
    parseAttributeValue: false,
    ignoreDeclaration: true,
  });
  const resolve = (name: string, scope: Record<string, string>, attribute: boolean): string => {
    const [prefix, rest] = name.includes(':') ? name.split(':', 2) : ['', name];
    const namespace = prefix === '' && attribute ? '' : scope[prefix as string];
    if (namespace === undefined && prefix !== '') throw new Error(`The prefix ${prefix} is not declared.`);
    return namespace ? `{${namespace}}${rest}` : (rest as string);
  };
  const walk = (node: Node, outer: Record<string, string>): unknown => {
    if ('#text' in node) return String(node['#text']).trim();
    const name = Object.keys(node).find((key) => key !== ':@') as string;
    const given = Object.entries((node[':@'] ?? {}) as Record<string, string>);
    const scope = { ...outer };
    for (const [key, value] of given) {
      if (key === 'xmlns') scope[''] = value;
      else if (key.startsWith('xmlns:')) scope[key.slice(6)] = value;
    }
    const attributes = given
      .filter(([key]) => !/^xmlns(:|$)/.test(key))
      .map(([key, value]) => `${resolve(key, scope, true)}=${value}`)
      .sort();
    const content = (node[name] as Node[]).map((one) => walk(one, scope)).filter((one) => one !== '');
    if (name.endsWith(':Header')) content.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    return [resolve(name, scope, false), attributes, content];
  };
  return (parser.parse(xml) as Node[]).map((one) => walk(one, {}));
}

/** The result of the connector's reader in the same form. */
const ours = (one: XmlElement): unknown => {
  const content: unknown[] = [...one.children.map(ours), ...(one.text.trim() ? [one.text.trim()] : [])];
  if (localName(one) === 'Header') content.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return [
    one.name,
    Object.entries(one.attributes)
      .map(([key, value]) => `${key}=${value}`)
      .sort(),
    content,
  ];
};

const PRODUCER = 'http://test.x-road.global/producer';
const TEST = { instance: 'FI_TEST', memberClass: 'GOV' };
const route = (code: string): mapping.Route => ({
  client: { ...TEST, memberCode: '1234567-8', subsystem: 'TestClient' },
  service: { ...TEST, memberCode: '9876543-1', subsystem: 'DemoService' },
  code,
  version: 'v1',
  id: 'ID11234',
  userId: 'EE1234567890',
});
const playground = (code: string, id: string): mapping.Route => ({
  client: { instance: 'PLAYGROUND', memberClass: 'COM', memberCode: '1234567-8', subsystem: 'TestClient' },
  service: { instance: 'PLAYGROUND', memberClass: 'GOV', memberCode: '8765432-1', subsystem: 'TestService' },
  code,
  version: 'v1',
  id,
  userId: 'GBmisp',
  issue: '',
});
const LIST_ID = '72f354776ea1c4eeb5f8b591425302747598fc22';
const DETAILS_ID = 'ccddc3c00618d5e1ce85f74fe1280d5cadb09876';
const message = (one: mapping.Route, fields: Record<string, string> = {}): string =>
  writeEnvelope(
    mapping.routeHeaders(one),
    element(
      `{${PRODUCER}}${one.code}`,
      Object.entries(fields).map(([name, value]) => element(`{${PRODUCER}}${name}`, value)),
    ),
  );

describe("X-Road's messages", () => {
  test.each([
    ['getRandomRequest', () => message(route('getRandom'))],
    ['helloServiceRequest', () => message(route('helloService'), { name: 'Test' })],
    ['it-internal-server-error-request', () => message(route('internalServerError'))],
    ['it-invalid-service-code-request', () => message(route('UnknownService'))],
    ['listPeopleRequest', () => message(playground('listPeople', LIST_ID))],
    ['personDetailsRequest', () => message(playground('personDetails', DETAILS_ID), { ssn: '1235' })],
  ])('writes %s exactly as published', (name, write) => {
    expect(canonical(write())).toEqual(canonical(example(name)));
    expect(canonical(write().replace('>4.0<', '>4.1<'))).not.toEqual(canonical(example(name)));
  });

  test.each([
    'getRandomRequest',
    'getRandomResponse',
    'helloServiceRequest',
    'helloServiceResponse',
    'it-fault-client-error',
    'it-internal-server-error-request',
    'it-invalid-service-code-request',
    'listPeopleRequest',
    'personDetailsRequest',
    'personDetailsResponse',
  ])('reads %s like an independent parser', (name) => {
    expect([ours(readXml(example(name)))]).toEqual(canonical(example(name)));
  });

  test('accepts the published responses to its requests and reads their values', () => {
    const answer = (name: string, sent: mapping.Route) => {
      const received = readEnvelope(example(name));
      mapping.assertSameRoute(mapping.routeHeaders(sent), received.headers);
      return mapping.responseBody(received, sent.code);
    };
    expect(child(answer('getRandomResponse', route('getRandom')), 'data')?.text).toBe('95');
    expect(child(answer('helloServiceResponse', route('helloService')), 'message')?.text).toBe(
      'Hello Test! Greetings from adapter server!',
    );
    const person = child(answer('personDetailsResponse', playground('personDetails', DETAILS_ID)), 'person');
    expect(person?.children.slice(0, 5).map((one) => [localName(one), one.text])).toEqual([
      ['ssn', '1235'],
      ['firstName', 'Michelle'],
      ['lastName', 'Smith'],
      ['dateOfBirth', '1966-06-30'],
      ['contactAddress', 'Some Street 3, Some City, Some Country'],
    ]);
    expect(child(person, 'contacts')?.children.map((one) => one.children.map((each) => each.text))).toEqual([
      ['phone', 'Home number', '+123 4567890'],
      ['email', 'Personal e-mail', 'other@email.nil'],
    ]);
  });

  test('rejects a response to another request', () => {
    const received = readEnvelope(example('helloServiceResponse')).headers;
    const refused = (sent: mapping.Route) => () => mapping.assertSameRoute(mapping.routeHeaders(sent), received);
    expect(refused(route('helloService'))).not.toThrow();
    expect(refused(route('getRandom'))).toThrow('response header service does not match the request');
    expect(refused({ ...route('helloService'), id: 'ID11235' })).toThrow(
      'response header id does not match the request',
    );
    expect(refused({ ...route('helloService'), version: null })).toThrow(
      'response header service does not match the request',
    );
    expect(refused(playground('helloService', 'ID11234'))).toThrow('response header client does not match the request');
  });

  test('does not retry a SOAP Client fault', () => {
    const { fault, body, headers } = readEnvelope(example('it-fault-client-error'));
    expect({ fault, body, headers }).toEqual({
      fault: { code: 'Client', text: '$' + '{xmlunit.ignore}', detail: null },
      body: null,
      headers: [],
    });
    expect(fault && mapping.faultToError(fault)).toMatchObject({ code: 'SOURCE_REJECTED', retryable: false });
  });
});

describe('identifiers: credit codes and regions', () => {
  const codes = file('uscc-valid-real.txt').trim().split(/\s+/);
  const column = (name: string): string[] =>
    file('gb2260', name)
      .trim()
      .split(/\r?\n/)
      .slice(1)
      .map((line) => (line.split(',')[0] as string).replaceAll('"', ''));
  const ALPHABET = '0123456789ABCDEFGHJKLMNPQRTUWXY';

  test('accepts 57 real codes; their 17 regions are in GB/T 2260 (34, 337, 2,846)', () => {
    const [provinces, cities, areas] = [column('province.csv'), column('city.csv'), column('area.csv')];
    expect([provinces, cities, areas].map((one) => one.length)).toEqual([34, 337, 2_846]);
    const regions = new Set([...provinces, ...cities, ...areas]);
    expect([...regions].every(isRegionCode)).toBe(true);
    expect(codes).toHaveLength(57);
    expect(codes.map(parseUscc)).toEqual(codes);
    const theirs = new Set(codes.map((code) => code.slice(2, 8)));
    expect(theirs.size).toBe(17);
    expect([...theirs].filter((their) => !regions.has(their))).toEqual([]);
    expect(regions.has(createWorld().park.region)).toBe(true);
  });

  test('rejects every single wrong character and every swap of neighbours', () => {
    let wrong = 0;
    let swaps = 0;
    const missed: string[] = [];
    for (const code of codes) {
      for (let i = 0; i < 18; i++) {
        for (const other of ALPHABET) {
          if (other === code[i]) continue;
          wrong++;
          const bad = code.slice(0, i) + other + code.slice(i + 1);
          if (parseUscc(bad) !== null) missed.push(bad);
        }
        if (i === 17 || code[i] === code[i + 1]) continue;
        swaps++;
        const swapped = `${code.slice(0, i)}${code[i + 1]}${code[i]}${code.slice(i + 2)}`;
        if (parseUscc(swapped) !== null) missed.push(swapped);
      }
    }
    // 851 swaps among the first seventeen characters, and 57 with the check character.
    expect({ wrong, swaps, missed }).toEqual({ wrong: 57 * 18 * 30, swaps: 851 + 57, missed: [] });
  });

  test('normalizes lower case, full width and spaces; rejects I, O, S, V and Z', () => {
    for (const code of codes) {
      const wide = [...code].map((one) => String.fromCharCode(one.charCodeAt(0) + 0xfee0)).join('');
      for (const typed of [code.toLowerCase(), wide, wide.toLowerCase(), ` ${code.slice(0, 9)} ${code.slice(9)}\n`]) {
        expect(parseUscc(typed)).toBe(code);
      }
      for (const letter of 'IOSVZ') expect(parseUscc(code.slice(0, 8) + letter + code.slice(9))).toBeNull();
      for (const length of [0, 15, 17]) expect(parseUscc(code.slice(0, length))).toBeNull();
      expect(parseUscc(`${code}0`)).toBeNull();
    }
  });
});

describe('identifiers: plates', () => {
  test.each([
    ['京A·12345', '京A12345'],
    ['京a１２３４５', '京A12345'],
    ['京A•D1234挂', null],
    ['渝AD12345', '渝AD12345'],
    ['渝A12345D', '渝A12345D'],
    ['粤Z1234港', '粤Z1234港'],
    ['京A1234警', '京A1234警'],
    ['京A1234学', '京A1234学'],
    ['渝B1234挂', '渝B1234挂'],
    ['京A1O345', null],
    ['京A1I345', null],
    ['京I12345', null],
    ['渝AL12345', null],
    ['_无_', null],
    ['', null],
    ['A12345', null],
  ])('parses %j as %j', (typed, plate) => {
    expect(parsePlate(typed)).toBe(plate);
  });

  test('masks the middle of a plate', () => {
    expect(maskPlate('京A12345')).toBe('京A·**345');
    expect(maskPlate('渝AD12345')).toBe('渝A·***345');
  });
});
