/** Attacks from the public lists, one after the other: all refused, nothing reaches the island, ordinary queries go on meanwhile. */

import { serverAudits } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { readAuth } from '../connectors/kit/config/sections/auth.ts';
import { DOCUMENTS, type Probe, REQUESTS, SOCKETS, TOKENS } from './attack/probes.ts';
import { openTarget, type Target } from './attack/target.ts';

const GROUPS: readonly (readonly [string, readonly Probe[]])[] = [
  ['documents', DOCUMENTS],
  ['requests', REQUESTS],
  ['tokens', TOKENS],
  ['sockets', SOCKETS],
];

/** Asks on a socket what comes to nothing, again and again, until it is closed. */
function asksOn(target: Target, headers: Record<string, string>): Promise<{ code: number; refused: number }> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${target.port}/graphql`, 'graphql-transport-ws', { headers });
    let [asked, refused] = [0, 0];
    socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init' })));
    socket.on('message', (data) => {
      if (String(data).includes('LIMIT_RATE')) refused += 1;
      socket.send(JSON.stringify({ id: String(asked++), type: 'subscribe', payload: { query: '{ nothing }' } }));
    });
    socket.on('close', (code) => resolve({ code, refused }));
  });
}

describe('attacks', () => {
  let target: Target;
  const figures: { name: string; cpu: number; memory: number }[] = [];
  beforeAll(async () => {
    target = await openTarget();
  });
  afterAll(async () => {
    await target.close();
    if (process.env['ATTACK_FIGURES']) {
      for (const { name, cpu, memory } of figures) {
        process.stdout.write(
          `${cpu.toFixed(1).padStart(8)} ms  ${(memory / 1024).toFixed(0).padStart(7)} kB  ${name}\n`,
        );
      }
    }
  });

  test('there are at least eighty', () => {
    const all = GROUPS.flatMap(([, probes]) => probes.map((one) => one.name));
    expect(new Set(all).size).toBe(all.length);
    expect(all.length).toBeGreaterThanOrEqual(80);
  });

  test.each(GROUPS)(
    '%s',
    async (_, probes) => {
      const passed: string[] = [];
      for (const probe of probes) {
        const before = { asked: target.asked(), cpu: process.cpuUsage(), memory: process.memoryUsage() };
        const refused = await probe.refused(target).catch((error: Error) => error.message);
        const used = process.cpuUsage(before.cpu);
        const memory = process.memoryUsage();
        figures.push({
          name: probe.name,
          cpu: (used.user + used.system) / 1000,
          memory: Math.max(memory.heapUsed + memory.external - before.memory.heapUsed - before.memory.external, 0),
        });
        if (refused !== true) passed.push(`${probe.name}: ${refused === false ? 'not refused' : refused}`);
        if (target.asked() !== before.asked) passed.push(`${probe.name}: reached the island`);
        const ordinary = await target.post({ query: '{ ping }' });
        if (!ordinary.text.includes('pong')) passed.push(`${probe.name}: ordinary queries stopped (${ordinary.text})`);
      }
      expect(passed).toEqual([]);
    },
    30_000,
  );

  test('who uses up its points is refused alone', async () => {
    const small = await openTarget({ rate: 100 });
    try {
      const as = async (client: string) => ({
        authorization: `Bearer ${await small.issuer.sign({ role: 'analyst', client, seconds: 60 })}`,
      });
      const [greedy, modest] = [await as('greedy'), await as('modest')];
      const answers = [];
      for (let i = 0; i < 8; i++) answers.push(await small.post({ query: '{ lots(first: 30) { id } }' }, greedy));
      expect(answers.filter((one) => one.text.includes('LIMIT_RATE'))).toHaveLength(5);
      expect(JSON.parse(answers[7]?.text ?? '').errors[0].extensions).toMatchObject({
        limit: 100,
        found: 30,
        retryable: true,
      });
      expect((await small.post({ query: '{ lots(first: 30) { id } }' }, modest)).text).toContain('"lots":[]');
    } finally {
      await small.close();
    }
  });

  test('who asks on for nothing is refused unread, over HTTP and on a socket', async () => {
    const small = await openTarget({ rate: 1_000 });
    try {
      const as = async (client: string) => ({
        authorization: `Bearer ${await small.issuer.sign({ role: 'analyst', client, seconds: 60 })}`,
      });
      const [wrong, dear, socket, modest] = await Promise.all(['wrong', 'dear', 'socket', 'modest'].map(as));
      for (const [query, headers] of [
        ['{ nothing }', wrong],
        ['{ dear }', dear],
      ] as const) {
        let answer = await small.post({ query }, headers);
        expect(answer.text).not.toContain('LIMIT_RATE');
        for (let i = 0; i < 1_000 && answer.status !== 429; i++) answer = await small.post({ query }, headers);
        expect(answer.status, query).toBe(429);
        expect(answer.headers['retry-after']).toBe('1');
      }
      const said = await asksOn(small, socket ?? {});
      expect(said).toMatchObject({ code: 1013 });
      expect(said.refused).toBeGreaterThanOrEqual(100);
      expect(small.asked()).toBe(0);
      expect((await small.post({ query: '{ ping }' }, modest)).text).toContain('pong');
    } finally {
      await small.close();
    }
  });

  test('settings cannot send the hub to open addresses', () => {
    const faults = (raw: unknown): number => {
      const found: string[] = [];
      readAuth(raw, (one) => found.push(one));
      return found.length;
    };
    for (const issuer of [
      'http://id.example',
      'ftp://id.example',
      'file:///etc/passwd',
      'http://169.254.169.254/',
      'http://localhost.evil.example',
      'https:',
      '',
      7,
    ]) {
      expect(faults({ audience: 'a', issuers: [{ issuer }] }), String(issuer)).toBeGreaterThan(0);
    }
    expect(faults({ audience: 'a', issuers: [{ issuer: 'https://id.example', jwks: 'http://10.0.0.1/keys' }] })).toBe(
      1,
    );
    expect(faults({ audience: 'a', issuers: [{ issuer: 'https://id.example', algorithms: ['HS256'] }] })).toBe(1);
    expect(faults({ audience: 'a', issuers: [{ issuer: 'https://id.example', roles: { boss: 'root' } }] })).toBe(1);
    expect(faults({ issuers: [{ issuer: 'https://id.example' }] })).toBe(1);
  });

  test('GraphQL over HTTP, audited: no error, no warning, notices only where the CSRF guard stands', async () => {
    // The audit itself asks by introspection.
    const open = await openTarget({}, true);
    const audits = serverAudits({ url: `${open.url}/graphql`, fetchFn: fetch });
    const notices: string[] = [];
    const faults: string[] = [];
    for (const audit of audits) {
      const result = await audit.fn();
      if (result.status === 'notice') notices.push(`${result.id} ${result.name}`);
      else if (result.status !== 'ok') faults.push(`${result.status} ${result.id} ${result.name}: ${result.reason}`);
    }
    await open.close();
    expect(faults).toEqual([]);
    expect(notices.filter((one) => !/GET|get/.test(one))).toEqual([]);
  });
});
