/** Known attacks, one after the other: each is rejected, none reaches the source, and ordinary queries still succeed. */

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

/** Sends invalid operations on one WebSocket until the server closes it. */
function asksOn(target: Target, headers: Record<string, string>): Promise<{ code: number; refused: number }> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${target.port}/graphql`, 'graphql-transport-ws', { headers });
    let [sent, refused] = [0, 0];
    socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init' })));
    socket.on('message', (data) => {
      if (String(data).includes('LIMIT_RATE')) refused += 1;
      socket.send(JSON.stringify({ id: String(sent++), type: 'subscribe', payload: { query: '{ nothing }' } }));
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

  test('include at least eighty, each with its own name', () => {
    const all = GROUPS.flatMap(([, probes]) => probes.map((probe) => probe.name));
    expect(new Set(all).size).toBe(all.length);
    expect(all.length).toBeGreaterThanOrEqual(80);
  });

  test.each(GROUPS)(
    '%s',
    async (_, probes) => {
      const passed: string[] = [];
      for (const probe of probes) {
        const before = { requests: target.requestCount(), cpu: process.cpuUsage(), memory: process.memoryUsage() };
        const refused = await probe.isRejected(target).catch((error: Error) => error.message);
        const used = process.cpuUsage(before.cpu);
        const memory = process.memoryUsage();
        figures.push({
          name: probe.name,
          cpu: (used.user + used.system) / 1000,
          memory: Math.max(memory.heapUsed + memory.external - before.memory.heapUsed - before.memory.external, 0),
        });
        if (refused !== true) passed.push(`${probe.name}: ${refused === false ? 'not rejected' : refused}`);
        if (target.requestCount() !== before.requests) passed.push(`${probe.name}: reached the source`);
        const ordinary = await target.post({ query: '{ ping }' });
        if (!ordinary.text.includes('pong')) passed.push(`${probe.name}: ordinary queries stopped (${ordinary.text})`);
      }
      expect(passed).toEqual([]);
    },
    30_000,
  );

  test('rejects only the caller whose rate limit is exceeded', async () => {
    const small = await openTarget({ rate: 100 });
    try {
      const as = async (client: string) => ({
        authorization: `Bearer ${await small.issuer.sign({ role: 'analyst', client, seconds: 60 })}`,
      });
      const [greedy, modest] = [await as('greedy'), await as('modest')];
      const answers = [];
      for (let i = 0; i < 8; i++) answers.push(await small.post({ query: '{ lots(first: 30) { id } }' }, greedy));
      expect(answers.filter((answer) => answer.text.includes('LIMIT_RATE'))).toHaveLength(5);
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

  test('rejects a caller that keeps sending invalid operations without reading them, over HTTP and WebSocket', async () => {
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
      const closed = await asksOn(small, socket ?? {});
      expect(closed).toMatchObject({ code: 1013 });
      expect(closed.refused).toBeGreaterThanOrEqual(100);
      expect(small.requestCount()).toBe(0);
      expect((await small.post({ query: '{ ping }' }, modest)).text).toContain('pong');
    } finally {
      await small.close();
    }
  });

  test('rejects issuer and key addresses that are not HTTPS', () => {
    const countErrors = (raw: unknown): number => {
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
      expect(countErrors({ audience: 'a', issuers: [{ issuer }] }), String(issuer)).toBeGreaterThan(0);
    }
    expect(
      countErrors({ audience: 'a', issuers: [{ issuer: 'https://id.example', jwks: 'http://10.0.0.1/keys' }] }),
    ).toBe(1);
    expect(countErrors({ audience: 'a', issuers: [{ issuer: 'https://id.example', algorithms: ['HS256'] }] })).toBe(1);
    expect(countErrors({ audience: 'a', issuers: [{ issuer: 'https://id.example', roles: { boss: 'root' } }] })).toBe(
      1,
    );
    expect(countErrors({ issuers: [{ issuer: 'https://id.example' }] })).toBe(1);
  });

  test('passes the GraphQL over HTTP audit; notices concern only GET requests, which CSRF prevention rejects', async () => {
    // The audit uses introspection.
    const open = await openTarget({}, true);
    const audits = serverAudits({ url: `${open.url}/graphql`, fetchFn: fetch });
    const notices: string[] = [];
    const failures: string[] = [];
    for (const audit of audits) {
      const result = await audit.fn();
      if (result.status === 'notice') notices.push(`${result.id} ${result.name}`);
      else if (result.status !== 'ok') failures.push(`${result.status} ${result.id} ${result.name}: ${result.reason}`);
    }
    await open.close();
    expect(failures).toEqual([]);
    expect(notices.filter((notice) => !/GET|get/.test(notice))).toEqual([]);
  });
});
