/** X-Road over SOAP against PHP's server with X-Road's own WSDL, and over mutual TLS. PHP and OPENSSL: the programs. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as send } from 'node:http';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hubCall } from '../../connectors/kit/host/services.ts';
import { element, SoapTransport, writeEnvelope } from '../../connectors/kit/protocols/soap.ts';
import { createWorld } from '../../connectors/kit/testing/park/index.ts';
import { createTestDatabase } from '../../connectors/kit/testing/test-database.ts';
import { startInstallation } from '../../connectors/kit/testing/test-installation.ts';
import registration from '../../connectors/registration/index.ts';
import * as mapping from '../../connectors/registration/mapping/index.ts';
import { simulator } from '../../connectors/registration/simulator.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { samplePath } from '../real/data.ts';
import { startProgram } from './peers/peer.ts';

const WSDL = samplePath('registration/xroad/wsdl/testservice.wsdl');

const program = (name: 'PHP' | 'OPENSSL'): string => {
  const found = process.env[name];
  if (!found) throw new Error(`${name} is not set: run npm run test:services.`);
  return found;
};

const PRODUCER = 'http://producer.x-road.eu';
const route = (code: string, id: string = randomUUID()): mapping.Route => ({
  client: { instance: 'FI_TEST', memberClass: 'GOV', memberCode: '1234567-8', subsystem: 'TestClient' },
  service: { instance: 'FI_TEST', memberClass: 'GOV', memberCode: '9876543-1', subsystem: 'DemoService' },
  code,
  version: 'v1',
  id,
  userId: 'EE1234567890',
  issue: '12345 & <6>',
});

describe("PHP's SOAP server on X-Road's test service", () => {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-php-'));
  let php: Awaited<ReturnType<typeof startProgram>>;
  let transport: SoapTransport;

  /** Sends a request as the connector's X-Road client does. */
  const call = async (one: mapping.Route, fields: Record<string, string>) => {
    const headers = mapping.routeHeaders(one);
    const body = element(
      `{${PRODUCER}}${one.code}`,
      Object.entries(fields).map(([name, value]) => element(name, value)),
    );
    const answer = await transport.send(writeEnvelope(headers, body), AbortSignal.timeout(10_000));
    if (!answer.fault) mapping.assertSameRoute(headers, answer.headers);
    return { answer, body: mapping.responseBody(answer, one.code) };
  };

  beforeAll(async () => {
    const port = await freePort();
    php = await startProgram(
      folder,
      program('PHP'),
      ['-S', `127.0.0.1:${port}`, join(import.meta.dirname, 'registration.php')],
      port,
      {
        env: { TEST_WSDL: WSDL },
      },
    );
    transport = new SoapTransport(`http://127.0.0.1:${port}/`);
  });
  afterAll(async () => {
    await transport?.close();
    await php?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('receives every sent header back unchanged', async () => {
    const sent = route('xroadGetRandom');
    const { answer } = await call(sent, { seed: '1' });
    const plain = (one: ReturnType<typeof mapping.routeHeaders>[number]): unknown => [
      one.name,
      // PHP writes the attribute without its namespace.
      Object.entries(one.attributes).map(([name, value]) => [name.replace(/^\{.*\}/, ''), value]),
      one.text.trim(),
      one.children.map(plain),
    ];
    expect(answer.headers.map(plain)).toEqual(mapping.routeHeaders(sent).map(plain));
  });

  test('reads values as the exact texts that were sent', async () => {
    const seed = '0012345678901234567890.10';
    expect((await call(route('xroadGetRandom'), { seed })).body.children[0]?.text).toBe(seed);
    const index = await call(route('bodyMassIndex'), { weight: '70', height: '1.75' });
    expect(index.body.children[0]?.text).toBe('22.857142857143');
  });

  test('rejects a response with another id; maps Client faults to SOURCE_REJECTED and X-Road outages to SOURCE_UNAVAILABLE', async () => {
    await expect(call(route('xroadGetRandom', 'other 1'), { seed: '1' })).rejects.toMatchObject({
      code: 'SOURCE_MALFORMED',
      detail: 'response header id does not match the request',
    });
    await expect(call(route('bodyMassIndex'), { weight: '70', height: '0' })).rejects.toMatchObject({
      code: 'SOURCE_REJECTED',
      detail: 'SOAP fault Client: No height: <0 & "nothing"',
    });
    await expect(call(route('bodyMassIndex'), { weight: '70', height: '-1' })).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      detail: 'SOAP fault Server.ServerProxy.NetworkError: Could not connect to any target host',
    });
  });

  test('rejects when the server is down', async () => {
    await php.stop();
    await expect(call(route('xroadGetRandom'), { seed: '1' })).rejects.toThrow(/ECONNREFUSED|other side closed/);
  });
});

describe('a security server behind mutual TLS', () => {
  const demo = createWorld();
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-tls-'));
  const at = (name: string) => join(folder, name);
  let register: Awaited<ReturnType<typeof simulator.start>>;
  let proxy: Server;
  let port: number;
  let database: Awaited<ReturnType<typeof createTestDatabase>>;

  const openssl = (...args: readonly string[]) => execFileSync(program('OPENSSL'), args, { stdio: 'pipe' });
  const authority = (name: string) =>
    openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-subj', `/CN=${name}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)],
    );
  const certificate = (name: string, by: string) => {
    openssl(
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${name}`],
      ...['-keyout', at(`${name}.key`), '-out', at(`${name}.csr`)],
    );
    writeFileSync(at('names'), 'subjectAltName=IP:127.0.0.1\n');
    openssl(
      ...['x509', '-req', '-in', at(`${name}.csr`), '-CA', at(`${by}.pem`), '-CAkey', at(`${by}.key`)],
      ...['-CAcreateserial', '-days', '2', '-extfile', at('names'), '-out', at(`${name}.pem`)],
    );
  };

  /** The company name that the connector returns with these certificate files, or the error code. */
  const answer = async (files: Record<string, string>) => {
    const raw = {
      url: `https://127.0.0.1:${port}/`,
      client: 'CN/GOV/500112/park-hub',
      service: 'CN/GOV/500000/company-register',
      ...files,
    };
    const host = await startInstallation(registration, { id: 'tls', raw }, database, {
      runJobs: false,
      // No cache: each combination must reach the server itself.
      cacheReads: false,
    });
    try {
      const { data, errors } = await host.subgraph.execute({
        query: 'query ($u: USCC!) { registeredCompany(uscc: $u) { registration { legalName } } }',
        variables: { u: demo.companies[0]?.uscc },
        call: hubCall(5_000, new AbortController().signal),
      });
      const company = data?.['registeredCompany'] as { registration: { legalName: string } } | null | undefined;
      return company?.registration.legalName ?? errors?.[0]?.extensions?.['code'];
    } finally {
      await host.close();
    }
  };

  beforeAll(async () => {
    for (const name of ['trusted', 'stranger']) authority(name);
    certificate('server', 'trusted');
    certificate('hub', 'trusted');
    certificate('intruder', 'stranger');
    register = await simulator.start({
      directory: folder,
      world: demo,
      now: () => new Date(),
      history: 86_400_000,
      live: false,
    });
    const inner = register.ports['http'];
    const file = (name: string) => readFileSync(at(name));
    proxy = createServer(
      {
        cert: file('server.pem'),
        key: file('server.key'),
        ca: file('trusted.pem'),
        requestCert: true,
        rejectUnauthorized: true,
      },
      (incoming, reply) => {
        const onward = send({ port: inner, method: 'POST', headers: incoming.headers }, (far) => {
          reply.writeHead(far.statusCode ?? 500, far.headers);
          far.pipe(reply);
        });
        incoming.pipe(onward);
      },
    );
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    port = (proxy.address() as { port: number }).port;
    database = await createTestDatabase();
  });
  afterAll(async () => {
    proxy?.closeAllConnections();
    await new Promise<void>((resolve) => (proxy ? proxy.close(() => resolve()) : resolve()));
    await register?.close();
    await database?.drop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('responds if both sides trust each other; otherwise the source is unavailable', async () => {
    const ours = { ca: at('trusted.pem'), cert: at('hub.pem'), key: at('hub.key') };
    expect(await answer(ours)).toBe(demo.companies[0]?.name);
    expect(await answer({ ...ours, ca: at('stranger.pem') })).toBe('SOURCE_UNAVAILABLE');
    expect(await answer({ ca: at('trusted.pem') })).toBe('SOURCE_UNAVAILABLE');
    expect(await answer({ ...ours, cert: at('intruder.pem'), key: at('intruder.key') })).toBe('SOURCE_UNAVAILABLE');
  });
});
