/** Validates the parking simulator's responses and the connector's requests against the schemas of the published APDS interface (ISO/TS 5206-1). */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWorld } from '../../connectors/kit/testing/park/index.ts';
import type { RunningSimulator } from '../../connectors/kit/testing/simulator.ts';
import * as mapping from '../../connectors/parking/mapping/index.ts';
import { simulator } from '../../connectors/parking/simulator/index.ts';
import { samplePath } from './data.ts';

const FILE = samplePath('parking/apds/APDS_API_bundled.json');

// biome-ignore lint/suspicious/noExplicitAny: the document is walked by path
type Node = any;

describe('the published APDS interface', () => {
  const document: Node = JSON.parse(readFileSync(FILE, 'utf8'));
  const demo = createWorld(undefined, new Date(Date.now() - 60_000));
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-apds-'));
  const called: Node[] = [];
  let running: RunningSimulator;
  let hook: Server;

  /** Resolves references, which may lead through other references. */
  const node = (at: Node): Node => {
    let one = at;
    while (typeof one?.$ref === 'string')
      one = (one.$ref as string)
        .split('/')
        .slice(1)
        .reduce(
          (inner, key) => node(inner)[decodeURIComponent(key).replaceAll('~1', '/').replaceAll('~0', '~')],
          document,
        );
    return one;
  };
  const kindOf = (value: unknown) => (Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value);

  /** Schema violations of `value`. `oneOf` is treated as `anyOf`, because the alternatives for credentials overlap in the document. */
  const violations = (at: Node, value: Node, where = ''): string[] => {
    const schema = node(at);
    const type = schema.type as string | undefined;
    const kind = kindOf(value);
    if (type === 'integer' ? !Number.isInteger(value) : type !== undefined && type !== kind)
      return [`${where} is ${kind}, not ${type}`];
    const found: string[] = [];
    if (schema.enum && !schema.enum.includes(value)) found.push(`${where} is not of its list: ${value}`);
    for (const part of schema.allOf ?? []) found.push(...violations(part, value, where));
    const choices = [...(schema.oneOf ?? []), ...(schema.anyOf ?? [])].map((one) => violations(one, value, where));
    if (choices.length > 0 && choices.every((choice) => choice.length > 0))
      found.push(...(choices.sort((a, b) => a.length - b.length)[0] ?? []));
    if (kind === 'object') {
      for (const name of schema.required ?? []) if (value[name] === undefined) found.push(`${where} lacks ${name}`);
      for (const [name, one] of Object.entries(schema.properties ?? {}))
        if (value[name] !== undefined) found.push(...violations(one, value[name], `${where}/${name}`));
    }
    if (kind === 'array') {
      if (value.length < (schema.minItems ?? 0)) found.push(`${where} is too short`);
      for (const [i, one] of schema.items ? value.entries() : [])
        found.push(...violations(schema.items, one, `${where}/${i}`));
    }
    return found;
  };
  const answerOf = (path: string, method = 'get', status = '200'): Node =>
    document.paths[path][method].responses[status].content['application/json'].schema;
  const requestOf = (path: string, method: string): Node =>
    document.paths[path][method].requestBody.content['application/json'].schema;
  const json = (value: unknown): Node => JSON.parse(JSON.stringify(value));
  const vendor = async (path: string, method = 'GET', body?: unknown): Promise<Node> => {
    const answer = await fetch(`${running.env['LAKESIDE_PARKING_URL']}${path}`, {
      method,
      headers: { 'x-mcc-access-token': running.env['LAKESIDE_PARKING_TOKEN'] as string },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return answer.json();
  };

  beforeAll(async () => {
    running = await simulator.start({
      directory,
      world: demo,
      now: () => new Date(),
      history: 3 * 86_400_000,
      live: true,
    });
    hook = createServer(async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
      called.push(JSON.parse(Buffer.concat(parts).toString('utf8')));
      response.end();
    });
    await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    await running?.close();
    hook?.closeAllConnections();
    hook?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('the validator reports missing and mistyped properties', () => {
    const schema = answerOf('/rights/assigned/{id}');
    const right = json(mapping.assignedRight('own', grant(), { id: 'RS-lot-1', version: 1 }, new Date()));
    expect(violations(schema, right)).toEqual([]);
    expect(violations(schema, { ...right, rightSpecification: undefined })).toEqual([' lacks rightSpecification']);
    expect(violations(schema, { ...right, version: '1' })).toEqual(['/version is string, not integer']);
  });

  test.each([
    ['/places', 'expand=rightSpecifications,occupancy'],
    ['/sessions', 'expand=credentials,segments,segments.financialTransactions'],
    ['/rights/assigned', 'expand=plannedUses'],
    ['/observations', 'expand=hierarchyElement'],
    ['/observations', 'modified_since=1'],
  ])('the simulator responds to %s?%s as the schema says', async (path, query) => {
    const answer = await vendor(`${path}?${query}`);
    expect(answer.data.length).toBeGreaterThan(0);
    expect(violations(answerOf(path), answer)).toEqual([]);
  });

  test('granting and cancelling a permit follow the schemas in both directions', async () => {
    const right = json(mapping.assignedRight('own', grant(), { id: 'RS-lot-1', version: 1 }, new Date()));
    expect(violations(requestOf('/rights/assigned', 'post'), right)).toEqual([]);
    const made = await vendor('/rights/assigned', 'POST', right);
    expect(violations(answerOf('/rights/assigned', 'post', '201'), made)).toEqual([]);
    const stored = await vendor('/rights/assigned/own?expand=plannedUses');
    expect(violations(answerOf('/rights/assigned/{id}'), stored)).toEqual([]);
    expect(mapping.permit(stored)).toMatchObject({ vehicle: { plate: '渝AD12345', colour: 'GREEN' }, revoked: false });
    const cancelled = json(mapping.cancelled(stored, new Date(), 'sold'));
    expect(violations(requestOf('/rights/assigned/{id}', 'put'), cancelled)).toEqual([]);
    const changed = await vendor('/rights/assigned/own', 'PUT', cancelled);
    expect(violations(answerOf('/rights/assigned/{id}', 'put'), changed)).toEqual([]);
    expect(mapping.permit(await vendor('/rights/assigned/own?expand=plannedUses')).revoked).toBe(true);
    expect((await vendor('/rights/assigned/own', 'PUT', cancelled)).code).toBe(409);
  });

  test('webhook registration and the webhooks of the gates follow the schemas', async () => {
    const { port } = hook.address() as { port: number };
    const wish = { endpoint: `http://127.0.0.1:${port}/`, topics: mapping.TOPICS };
    expect(violations(requestOf('/webhooks', 'post'), wish)).toEqual([]);
    const made = await vendor('/webhooks', 'POST', wish);
    expect(violations(answerOf('/webhooks', 'post'), made)).toEqual([]);
    expect(violations(answerOf('/webhooks/{id}'), await vendor(`/webhooks/${made.id}`))).toEqual([]);
    const webhookOf = async (topic: string) => {
      while (!called.some((one) => one.topic === topic)) await new Promise((resolve) => setTimeout(resolve, 100));
      return called.find((one) => one.topic === topic);
    };
    const callback: Node = Object.values(Object.values(document.paths['/webhooks'].post.callbacks)[0] as Node)[0];
    const schema = callback.post.requestBody.content['application/json'].schema;
    const [created, observed] = await Promise.all([webhookOf('SessionCreated'), webhookOf('ObservationCreated')]);
    expect(violations(schema, created)).toEqual([]);
    // The document lists the topic but not its payload, so observations are validated against their own schema.
    expect(violations({ ...schema, properties: { ...schema.properties, data: {} } }, observed)).toEqual([]);
    expect(violations(requestOf('/observations/{id}', 'put'), observed.data[0])).toEqual([]);
  }, 90_000);

  function grant() {
    return {
      lot: 'lot-1',
      plate: '渝AD12345',
      colour: 'GREEN',
      uscc: demo.companies[0]?.uscc ?? null,
      validFrom: new Date('2026-01-01T00:00:00Z'),
      validTo: new Date('2027-01-01T00:00:00Z'),
    } as const;
  }
});
