/** What a description refers to is read beside it, or at its own origin; a server elsewhere counts what it is asked. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printSchema } from 'graphql';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DeclarationError } from '../../kit/connector.ts';
import { listen } from '../../kit/testing/simulator.ts';
import { readOpenApi } from '../openapi/openapi-reader.ts';
import { loadWsdl } from '../wsdl/load-wsdl.ts';
import { fetchAt } from './fetch-description.ts';

const directory = mkdtempSync(join(tmpdir(), 'isthmus-elsewhere-'));
const home = join(directory, 'home');
/** Requests that came to the server elsewhere, and to the description's own. */
let elsewhere: string[] = [];
let own: string[] = [];
/** What the description's own server has, by path; an address is a redirect. */
const pages = new Map<string, string>();
const strange = createServer((request, response) => {
  elsewhere.push(request.url ?? '');
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ type: 'string' }));
});
const known = createServer((request, response) => {
  own.push(request.url ?? '');
  const page = pages.get(request.url ?? '') ?? '';
  if (page.startsWith('http')) return void response.writeHead(302, { location: page }).end();
  response.writeHead(page === '' ? 404 : 200, { 'content-type': 'application/yaml' }).end(page);
});
let strangeUrl = '';
let knownUrl = '';

beforeAll(async () => {
  mkdirSync(join(home, 'parts'), { recursive: true });
  strangeUrl = `http://127.0.0.1:${await listen(strange)}`;
  knownUrl = `http://127.0.0.1:${await listen(known)}`;
  writeFileSync(join(directory, 'secret.json'), '{"type":"string"}');
  symlinkSync(join(directory, 'secret.json'), join(home, 'linked.json'));
  writeFileSync(join(home, 'code.js'), 'globalThis.descriptionRan = true; export default { type: "string" };');
});
beforeEach(() => {
  elsewhere = [];
  own = [];
  pages.clear();
});
afterAll(() => {
  for (const one of [strange, known]) {
    one.closeAllConnections();
    one.close();
  }
  rmSync(directory, { recursive: true, force: true });
});

/** A description whose one answer has a field of the type that is given. */
const described = (type: unknown): string =>
  JSON.stringify({
    openapi: '3.0.3',
    info: { title: 'x', version: '1' },
    paths: {
      '/things': {
        get: {
          operationId: 'getThings',
          responses: {
            200: {
              description: 'ok',
              content: { 'application/json': { schema: { type: 'object', properties: { name: type } } } },
            },
          },
        },
      },
    },
  });
const read = (text: string, name = 'api.json') => {
  writeFileSync(join(home, name), text);
  return readOpenApi(name, home, []);
};
const refused = async (work: Promise<unknown>, named: string, why: RegExp): Promise<void> => {
  const error = await work.then(
    () => new Error('it was taken'),
    (fault: unknown) => fault,
  );
  expect(error).toBeInstanceOf(DeclarationError);
  const { whole } = error as DeclarationError;
  expect(whole).toContain(named);
  expect(whole).toMatch(why);
};

describe('OpenAPI', () => {
  test.each([
    ['another host', () => `${strangeUrl}/type.json`, /stands elsewhere.*put a copy beside/],
    ['another host, in capitals', () => `HTTP${strangeUrl.slice(4)}/type.json`, /stands elsewhere/],
    ['another host without a scheme', () => `${strangeUrl.slice(5)}/type.json`, /stands elsewhere/],
    ['a metadata address', () => 'http://169.254.169.254/latest/meta-data', /stands elsewhere/],
    ['a file: address', () => 'file:///etc/passwd', /stands elsewhere/],
    ['an absolute path', () => join(directory, 'secret.json'), /outside the description's folder/],
    ['a path that leads out', () => '../secret.json', /outside the description's folder/],
    ['a path that leads out, encoded', () => '..%2Fsecret.json', /outside the description's folder/],
    ['a link that leads out', () => 'linked.json', /outside the description's folder/],
    ['a file that is not there', () => 'nothing.json', /is not there/],
  ])('a $ref to %s is refused by name, and nothing is asked', async (_, target, why) => {
    await refused(read(described({ $ref: `${target()}#/definitions/x` })), target(), why);
    // Also from a document that the description refers to.
    const nested = target().startsWith('..') || target().endsWith('.json') ? target() : `${target()}`;
    writeFileSync(join(home, 'between.json'), JSON.stringify({ type: 'object', properties: { x: { $ref: nested } } }));
    await refused(read(described({ $ref: 'between.json' })), target(), why);
    expect(elsewhere).toEqual([]);
  });

  test('of a served description, only its own origin is asked', async () => {
    pages.set('/api.json', described({ $ref: `${strangeUrl}/type.json` }));
    await refused(readOpenApi(`${knownUrl}/api.json`, home, []), strangeUrl, /stands at another origin/);
    pages.set('/api.json', described({ $ref: 'file:///etc/passwd' }));
    await refused(readOpenApi(`${knownUrl}/api.json`, home, []), 'file:///etc/passwd', /stands at another origin/);
    pages.set('/api.json', described({ $ref: 'type.yaml' }));
    pages.set('/type.yaml', `${strangeUrl}/type.json`);
    await refused(readOpenApi(`${knownUrl}/api.json`, home, []), strangeUrl, /leads to another origin/);
    expect(elsewhere).toEqual([]);
    pages.set('/type.yaml', 'definitions: { x: { type: integer } }');
    pages.set('/api.json', described({ $ref: `${knownUrl}/type.yaml#/definitions/x` }));
    own = [];
    const { operations } = await readOpenApi(`${knownUrl}/api.json`, home, []);
    expect(operations.get('getThings')?.at(['name'])?.type).toBe('Int');
    expect(own).toEqual(['/api.json', '/type.yaml']);
  });

  test('parts beside the description are read, and refer to each other', async () => {
    writeFileSync(join(home, 'parts', 'a.yaml'), 'x: { $ref: "b.yaml#/y" }\n');
    writeFileSync(join(home, 'parts', 'b.yaml'), 'y: { type: number, format: double }\nz: { $ref: "a.yaml#/x" }\n');
    const { operations } = await read(described({ $ref: 'parts/a.yaml#/x' }));
    expect(operations.get('getThings')?.at(['name'])?.type).toBe('Float');
  });

  test('a description reads no file and runs no code by what its YAML or a script says', async () => {
    writeFileSync(join(home, 'told.json'), '"WHAT-THE-FILE-SAYS"');
    const yaml = described({ type: 'string', description: 'HERE' }).replace('"HERE"', '!include told.json');
    const { described: schema } = await read(yaml, 'api.yaml');
    expect(printSchema(schema)).not.toContain('WHAT-THE-FILE-SAYS');
    await expect(read(described({ $ref: 'code.js' }))).rejects.toBeInstanceOf(DeclarationError);
    expect((globalThis as { descriptionRan?: boolean }).descriptionRan).toBeUndefined();
  });
});

describe('WSDL', () => {
  const definitions = (imports: string): string =>
    `<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:x">
      <types><xs:schema targetNamespace="urn:x">${imports}</xs:schema></types></definitions>`;
  const schemaImport = (place: string): string => `<xs:import namespace="urn:y" schemaLocation="${place}"/>`;
  const load = (text: string) => {
    writeFileSync(join(home, 'x.wsdl'), text);
    return loadWsdl('x.wsdl', home, []);
  };

  test('a schema at another host is not fetched, and named', async () => {
    const { left } = await load(definitions(schemaImport(`${strangeUrl}/y.xsd`)));
    expect(left).toEqual([
      `${strangeUrl}/y.xsd stands elsewhere and is not fetched: put a copy beside the description`,
    ]);
    pages.set('/x.wsdl', definitions(schemaImport(`${strangeUrl}/y.xsd`)));
    expect((await loadWsdl(`${knownUrl}/x.wsdl`, home, [])).left).toHaveLength(1);
    pages.set('/x.wsdl', definitions(schemaImport('y.xsd')));
    pages.set('/y.xsd', `${strangeUrl}/y.xsd`);
    await refused(loadWsdl(`${knownUrl}/x.wsdl`, home, []), strangeUrl, /leads to another origin/);
    expect(elsewhere).toEqual([]);
  });

  test.each([
    ['a file: address', 'file:///etc/passwd', /stands elsewhere/],
    ['an absolute path', join(directory, 'secret.json'), /outside the description's folder/],
    ['a path that leads out', '../secret.json', /outside the description's folder/],
    ['a link that leads out', 'linked.json', /outside the description's folder/],
  ])('an import of %s is refused by name', async (_, place, why) => {
    await refused(load(definitions(schemaImport(place))), place, why);
    await refused(
      load(definitions(`</xs:schema></types><import namespace="urn:y" location="${place}"/><types><xs:schema>`)),
      place,
      why,
    );
  });
});

test.each([
  'http://169.254.169.254/a.json',
  'http://[fe80::1]/a.json',
  'http://[::ffff:169.254.1.1]/',
  'http://100.100.100.200/',
])('the link-local address %s is not fetched, whoever names it', async (address) => {
  await expect(fetchAt(address, [])).rejects.toThrow('is a link-local address, which is not fetched');
});
