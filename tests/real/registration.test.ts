/** X-Road's published messages against ours; real credit codes; the identifier traps. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parsePlate, parseUscc } from '../../connectors/kit/identifiers.ts';
import {
  child,
  element,
  local,
  readEnvelope,
  readXml,
  writeEnvelope,
  type XmlElement,
} from '../../connectors/kit/soap.ts';
import { answerBody, checkRoute, faultError, routeHeaders } from '../../connectors/registration/mapping.ts';

const FOLDER = join(
  process.env['ISTHMUS_REAL_DATA'] ?? join(import.meta.dirname, '../../../shared/data'),
  'registration',
);
const have = existsSync(FOLDER);
if (!have && process.env['CI'] === 'true') throw new Error(`The real data is missing: ${FOLDER}.`);
if (!have) console.log(`Skipped: the real data is not here (${FOLDER}).`);
const example = (name: string): string => readFileSync(join(FOLDER, 'xroad/examples', name), 'utf8');

const PRODUCER = 'http://test.x-road.global/producer';
const finnish = {
  client: { instance: 'FI_TEST', memberClass: 'GOV', memberCode: '1234567-8', subsystem: 'TestClient' },
  service: { instance: 'FI_TEST', memberClass: 'GOV', memberCode: '9876543-1', subsystem: 'DemoService' },
  version: 'v1',
  id: 'ID11234',
  userId: 'EE1234567890',
};
const playground = {
  client: { instance: 'PLAYGROUND', memberClass: 'COM', memberCode: '1234567-8', subsystem: 'TestClient' },
  service: { instance: 'PLAYGROUND', memberClass: 'GOV', memberCode: '8765432-1', subsystem: 'TestService' },
  version: 'v1',
  userId: 'GBmisp',
};

/** Canonical text: prefixes resolved, attributes sorted, white space between elements dropped, header blocks in any order. */
function canonical(one: XmlElement, sorted = false): string {
  const attributes = Object.entries(one.attributes)
    .sort()
    .map(([name, value]) => ` ${name}="${value}"`);
  const children = one.children.map((each) => canonical(each, local(each) === 'Header'));
  if (sorted) children.sort();
  return `<${one.name}${attributes.join('')}>${one.children.length > 0 ? children.join('') : one.text.trim()}</>`;
}

describe.runIf(have)('X-Road messages', () => {
  const simple = (code: string, fields: Record<string, string> = {}) =>
    element(
      `{${PRODUCER}}${code}`,
      Object.entries(fields).map(([name, value]) => element(`{${PRODUCER}}${name}`, value)),
    );
  test.each([
    ['getRandomRequest.xml', { ...finnish, code: 'getRandom' }, simple('getRandom')],
    ['helloServiceRequest.xml', { ...finnish, code: 'helloService' }, simple('helloService', { name: 'Test' })],
    [
      'it-internal-server-error-request.xml',
      { ...finnish, code: 'internalServerError' },
      simple('internalServerError'),
    ],
    ['it-invalid-service-code-request.xml', { ...finnish, code: 'UnknownService' }, simple('UnknownService')],
  ])('our request equals %s', (file, route, body) => {
    const ours = readXml(writeEnvelope(routeHeaders(route), body));
    expect(canonical(ours)).toBe(canonical(readXml(example(file))));
  });

  test.each(['listPeopleRequest.xml', 'personDetailsRequest.xml'])(
    'our request equals %s, but for the empty issue that we leave out',
    (file) => {
      const theirs = readEnvelope(example(file));
      const id = theirs.headers.find((one) => local(one) === 'id')?.text.trim() ?? '';
      const code = local(theirs.body as XmlElement);
      const text = example(file).replace(/<xro:issue\s*\/>/, '');
      expect(
        canonical(readXml(writeEnvelope(routeHeaders({ ...playground, code, id }), theirs.body as XmlElement))),
      ).toBe(canonical(readXml(text)));
    },
  );

  test('every response decodes to the values that stand in it', () => {
    const hello = readEnvelope(example('helloServiceResponse.xml'));
    checkRoute(routeHeaders({ ...finnish, code: 'helloService' }), hello.headers);
    expect(child(answerBody(hello, 'helloService'), 'message')?.text).toBe(
      'Hello Test! Greetings from adapter server!',
    );
    const random = answerBody(readEnvelope(example('getRandomResponse.xml')), 'getRandom');
    expect(JSON.stringify(random)).toContain(
      /<[^>]*data>([^<]*)</.exec(example('getRandomResponse.xml'))?.[1] ?? 'no data',
    );
    const person = child(answerBody(readEnvelope(example('personDetailsResponse.xml')), 'personDetails'), 'person');
    expect(child(person, 'ssn')?.text).toBe('1235');
    expect(child(person, 'contacts')?.children.map((one) => child(one, 'value')?.text)).toEqual([
      '+123 4567890',
      'other@email.nil',
    ]);
    const other = routeHeaders({ ...finnish, code: 'helloService', id: 'another' });
    expect(() => checkRoute(other, hello.headers)).toThrow('header id is not ours');
  });

  test('the fault is an answer of the client kind', () => {
    const { fault } = readEnvelope(example('it-fault-client-error.xml'));
    expect(fault?.code).toBe('Client');
    if (fault) expect(faultError(fault).code).toBe('SOURCE_REJECTED');
  });

  test('no file is left out', () => {
    expect(readdirSync(join(FOLDER, 'xroad/examples'))).toHaveLength(10);
  });
});

describe.runIf(have)('credit codes', () => {
  const codes = have
    ? readFileSync(join(FOLDER, 'uscc-valid-real.txt'), 'utf8')
        .split(/\s+/)
        .filter((one) => /^[0-9A-Z]{18}$/.test(one))
    : [];
  const ALPHABET = '0123456789ABCDEFGHJKLMNPQRTUWXY';

  test('57 real codes pass both checks, in any case and width; their regions are known', () => {
    expect(codes).toHaveLength(57);
    const areas = ['province', 'city', 'area']
      .map((name) => readFileSync(join(FOLDER, `gb2260/${name}.csv`), 'utf8'))
      .join('\n');
    const regions = new Set(codes.map((one) => one.slice(2, 8)));
    expect(regions.size).toBe(17);
    for (const region of regions) expect(areas).toContain(region);
    for (const one of codes) {
      expect(parseUscc(one)).toBe(one);
      expect(parseUscc(one.toLowerCase())).toBe(one);
      expect(parseUscc([...one].map((c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0)).join(''))).toBe(one);
    }
  });

  test('every single wrong character and every swap of neighbours is caught', () => {
    let errors = 0;
    let swaps = 0;
    for (const one of codes) {
      for (let i = 0; i < 18; i++) {
        for (const c of ALPHABET) {
          if (c === one[i]) continue;
          errors++;
          expect(parseUscc(one.slice(0, i) + c + one.slice(i + 1))).toBeNull();
        }
        if (i < 17 && one[i] !== one[i + 1]) {
          swaps++;
          expect(parseUscc(one.slice(0, i) + one[i + 1] + one[i] + one.slice(i + 2))).toBeNull();
        }
      }
    }
    expect(errors).toBeGreaterThan(10_200);
    expect(swaps).toBeGreaterThan(700);
  });
});

test('plates: seven and eight characters, special endings, one form; letters are never guessed', () => {
  for (const [given, wanted] of [
    ['京A·12345', '京A12345'],
    ['京ad12345', '京AD12345'],
    ['粤B12345D', '粤B12345D'],
    ['渝Ａ１２３４５', '渝A12345'],
    ['粤Z1234港', '粤Z1234港'],
    ['京A1234学', '京A1234学'],
  ] as const) {
    expect(parsePlate(given)).toBe(wanted);
  }
  for (const none of ['_无_', '', '京A1234', '京AI2345', '京AO2345', '京I12345', 'A12345'])
    expect(parsePlate(none)).toBeNull();
});
