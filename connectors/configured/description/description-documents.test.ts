/** A description's references are only read from its folder or origin: a server at another origin records requests, and receives none. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printSchema } from 'graphql';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DeclarationError } from '../../kit/errors.ts';
import { listen } from '../../kit/testing/simulator.ts';
import { readOpenApi } from '../openapi/openapi-reader.ts';
import { loadWsdl } from '../wsdl/load-wsdl.ts';
import { fetchDocument } from './fetch-description.ts';

const directory = mkdtempSync(join(tmpdir(), 'isthmus-documents-'));
const home = join(directory, 'home');
/** Requests to the server at another origin, and to the description's server. */
let foreignRequests: string[] = [];
let ownRequests: string[] = [];
/** Pages of the description's server by path; a URL is a redirect. */
const pages = new Map<string, string>();
const foreignServer = createServer((request, response) => {
  foreignRequests.push(request.url ?? '');
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ type: 'string' }));
});
const ownServer = createServer((request, response) => {
  ownRequests.push(request.url ?? '');
  const page = pages.get(request.url ?? '') ?? '';
  if (page.startsWith('http')) return void response.writeHead(302, { location: page }).end();
  response.writeHead(page === '' ? 404 : 200, { 'content-type': 'application/yaml' }).end(page);
});
let foreignUrl = '';
let ownUrl = '';

beforeAll(async () => {
  mkdirSync(join(home, 'parts'), { recursive: true });
  foreignUrl = `http://127.0.0.1:${await listen(foreignServer)}`;
  ownUrl = `http://127.0.0.1:${await listen(ownServer)}`;
  writeFileSync(join(directory, 'secret.json'), '{"type":"string"}');
  symlinkSync(join(directory, 'secret.json'), join(home, 'linked.json'));
  writeFileSync(join(home, 'code.js'), 'globalThis.descriptionRan = true; export default { type: "string" };');
});
beforeEach(() => {
  foreignRequests = [];
  ownRequests = [];
  pages.clear();
});
afterAll(() => {
  for (const server of [foreignServer, ownServer]) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(directory, { recursive: true, force: true });
});

/** A description with one operation, whose response has a field `name` with that schema. */
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
const expectRejection = async (work: Promise<unknown>, name: string, reason: RegExp): Promise<void> => {
  const error = await work.then(
    () => new Error('it was accepted'),
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(DeclarationError);
  const { fullMessage } = error as DeclarationError;
  expect(fullMessage).toContain(name);
  expect(fullMessage).toMatch(reason);
};

describe('documents of an OpenAPI description', () => {
  test.each([
    ['another host', () => `${foreignUrl}/type.json`, /is not in the description's folder.*Put a copy next to/],
    ['another host, in capitals', () => `HTTP${foreignUrl.slice(4)}/type.json`, /is not in the description's folder/],
    ['another host without a scheme', () => `${foreignUrl.slice(5)}/type.json`, /is not in the description's folder/],
    ['a metadata address', () => 'http://169.254.169.254/latest/meta-data', /is not in the description's folder/],
    ['a file: address', () => 'file:///etc/passwd', /is not in the description's folder/],
    ['an absolute path', () => join(directory, 'secret.json'), /outside the description's folder/],
    ['a path out of the folder', () => '../secret.json', /outside the description's folder/],
    ['an encoded path out of the folder', () => '..%2Fsecret.json', /outside the description's folder/],
    ['a symbolic link out of the folder', () => 'linked.json', /outside the description's folder/],
    ['a missing file', () => 'nothing.json', /does not exist/],
  ])('rejects a $ref to %s by name and sends no request', async (_, target, reason) => {
    await expectRejection(read(described({ $ref: `${target()}#/definitions/x` })), target(), reason);
    // Also from a document that the description refers to.
    const nested = target().startsWith('..') || target().endsWith('.json') ? target() : `${target()}`;
    writeFileSync(join(home, 'between.json'), JSON.stringify({ type: 'object', properties: { x: { $ref: nested } } }));
    await expectRejection(read(described({ $ref: 'between.json' })), target(), reason);
    expect(foreignRequests).toEqual([]);
  });

  test('references of a served description are only fetched from its origin', async () => {
    pages.set('/api.json', described({ $ref: `${foreignUrl}/type.json` }));
    await expectRejection(readOpenApi(`${ownUrl}/api.json`, home, []), foreignUrl, /has another origin/);
    pages.set('/api.json', described({ $ref: 'file:///etc/passwd' }));
    await expectRejection(readOpenApi(`${ownUrl}/api.json`, home, []), 'file:///etc/passwd', /has another origin/);
    pages.set('/api.json', described({ $ref: 'type.yaml' }));
    pages.set('/type.yaml', `${foreignUrl}/type.json`);
    await expectRejection(readOpenApi(`${ownUrl}/api.json`, home, []), foreignUrl, /redirects to another origin/);
    expect(foreignRequests).toEqual([]);
    pages.set('/type.yaml', 'definitions: { x: { type: integer } }');
    pages.set('/api.json', described({ $ref: `${ownUrl}/type.yaml#/definitions/x` }));
    ownRequests = [];
    const { operations } = await readOpenApi(`${ownUrl}/api.json`, home, []);
    expect(operations.get('getThings')?.resultAt(['name'])?.type).toBe('Int');
    expect(ownRequests).toEqual(['/api.json', '/type.yaml']);
  });

  test('documents next to the description are read, also when they refer to each other', async () => {
    writeFileSync(join(home, 'parts', 'a.yaml'), 'x: { $ref: "b.yaml#/y" }\n');
    writeFileSync(join(home, 'parts', 'b.yaml'), 'y: { type: number, format: double }\nz: { $ref: "a.yaml#/x" }\n');
    const { operations } = await read(described({ $ref: 'parts/a.yaml#/x' }));
    expect(operations.get('getThings')?.resultAt(['name'])?.type).toBe('Float');
  });

  test('YAML tags and scripts in a description read no file and run no code', async () => {
    writeFileSync(join(home, 'included.json'), '"CONTENT-OF-THE-FILE"');
    const yaml = described({ type: 'string', description: 'HERE' }).replace('"HERE"', '!include included.json');
    const { described: schema } = await read(yaml, 'api.yaml');
    expect(printSchema(schema)).not.toContain('CONTENT-OF-THE-FILE');
    await expect(read(described({ $ref: 'code.js' }))).rejects.toBeInstanceOf(DeclarationError);
    expect((globalThis as { descriptionRan?: boolean }).descriptionRan).toBeUndefined();
  });
});

describe('documents of a WSDL description', () => {
  const definitions = (imports: string): string =>
    `<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:x">
      <types><xs:schema targetNamespace="urn:x">${imports}</xs:schema></types></definitions>`;
  const schemaImport = (place: string): string => `<xs:import namespace="urn:y" schemaLocation="${place}"/>`;
  const load = (text: string) => {
    writeFileSync(join(home, 'x.wsdl'), text);
    return loadWsdl('x.wsdl', home, []);
  };

  test('a schema at another host is not fetched and is reported by name', async () => {
    const { skipped } = await load(definitions(schemaImport(`${foreignUrl}/y.xsd`)));
    expect(skipped).toEqual([
      `${foreignUrl}/y.xsd was not fetched: it has another origin; put a copy next to the description`,
    ]);
    pages.set('/x.wsdl', definitions(schemaImport(`${foreignUrl}/y.xsd`)));
    expect((await loadWsdl(`${ownUrl}/x.wsdl`, home, [])).skipped).toHaveLength(1);
    pages.set('/x.wsdl', definitions(schemaImport('y.xsd')));
    pages.set('/y.xsd', `${foreignUrl}/y.xsd`);
    await expectRejection(loadWsdl(`${ownUrl}/x.wsdl`, home, []), foreignUrl, /redirects to another origin/);
    expect(foreignRequests).toEqual([]);
  });

  test.each([
    ['a file: address', 'file:///etc/passwd', /is not in the description's folder/],
    ['an absolute path', join(directory, 'secret.json'), /outside the description's folder/],
    ['a path out of the folder', '../secret.json', /outside the description's folder/],
    ['a symbolic link out of the folder', 'linked.json', /outside the description's folder/],
  ])('rejects an import of %s by name', async (_, place, reason) => {
    await expectRejection(load(definitions(schemaImport(place))), place, reason);
    await expectRejection(
      load(definitions(`</xs:schema></types><import namespace="urn:y" location="${place}"/><types><xs:schema>`)),
      place,
      reason,
    );
  });
});

test.each([
  'http://169.254.169.254/a.json',
  'http://[fe80::1]/a.json',
  'http://[::ffff:169.254.1.1]/',
  'http://100.100.100.200/',
])('does not fetch the link-local address %s', async (address) => {
  await expect(fetchDocument(address, [])).rejects.toThrow('is a link-local address, which is not allowed');
});
