import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { AnyConnector } from '../connector.ts';
import { createLog } from '../log.ts';
import { hashConfig } from './config-digest.ts';
import { readConfig } from './config-file.ts';
import { settingsTable } from './reference.ts';
import { readRetention } from './sections/retention.ts';
import { bytes, milliseconds, readSettings, secret, settings, url } from './settings.ts';

const declaration = settings('parking', {
  url: url("Base address of the vendor's REST API", 'https://parking.example/api'),
  token: secret('Bearer token issued by the vendor'),
  timeout: milliseconds('How long one call may take', '3s'),
});

const parking = { name: 'parking', settings: declaration, protocol: () => 'apds' } as unknown as AnyConnector;

describe('settings', () => {
  test('reads values with their types and defaults', () => {
    const read = readSettings(declaration, { url: 'https://x.example', token: 'abcdefgh' });
    expect(read.values).toEqual({ url: 'https://x.example', token: 'abcdefgh', timeout: 3000 });
  });

  test('reports all errors at once, without secrets', () => {
    const read = readSettings(declaration, { url: 'ftp://x', token: 7, timeout: 'soon', colour: 'red' });
    expect(read.errors.map(({ name }) => name).sort()).toEqual(['colour', 'timeout', 'token', 'url']);
    expect(JSON.stringify(read.errors)).not.toContain('7');
    expect(readSettings(declaration, {}).errors).toHaveLength(2);
  });

  test('prints the settings table', () => {
    expect(settingsTable(declaration)).toContain(
      '| `token` | Bearer token issued by the vendor | secret, (required) |',
    );
  });

  test('redacts secrets in every log line', () => {
    const lines: string[] = [];
    readSettings(declaration, { url: 'https://x.example', token: 'verysecrettoken' });
    createLog((line) => lines.push(line)).info('calling with verysecrettoken', { error: new Error('verysecrettoken') });
    expect(lines.join('')).not.toContain('verysecrettoken');
    expect(lines.join('')).toContain('[hidden]');
  });
});

describe('settings: former names', () => {
  const read = (text: string) => readConfig(`parks: [${PARK}]\n${text}`, 'isthmus.yaml', [parking], {});
  const PARK = '{ id: lakeside, name: Lakeside, region: "500112" }';
  const installation = (guard: string) =>
    `installations: [{ id: p1, park: lakeside, connector: parking, url: "https://x.example", token: abcdefgh${guard} }]`;
  const guardOf = (text: string) => read(text).installations[0]?.guard;

  test('are accepted, in the section guard and in an installation', () => {
    const current = { serveStaleAfter: 2_000, failureThreshold: 7, openDuration: 3_000 };
    expect(guardOf(`guard: { patience: 2s, faults: 7, pause: 3s }\n${installation('')}`)).toMatchObject(current);
    expect(guardOf(installation(', guard: { patience: 2s, faults: 7, pause: 3s }'))).toMatchObject(current);
    expect(guardOf(installation(', guard: { serveStaleAfter: 2s, failureThreshold: 7, openDuration: 3s }'))).toEqual(
      guardOf(installation(', guard: { patience: 2s, faults: 7, pause: 3s }')),
    );
  });

  test('override the section under either name', () => {
    const shared = 'guard: { patience: 2s, failureThreshold: 7 }';
    expect(guardOf(`${shared}\n${installation(', guard: { serveStaleAfter: 4s, faults: 9 }')}`)).toMatchObject({
      serveStaleAfter: 4_000,
      failureThreshold: 9,
    });
  });

  test('are rejected together with the current name', () => {
    expect(() => read('guard: { patience: 1s, serveStaleAfter: 2s }')).toThrow(
      'guard: patience is the former name of serveStaleAfter, which is set too; remove patience',
    );
    expect(() => read(installation(', guard: { pause: 1s, openDuration: 2s }'))).toThrow(
      'installation p1: guard: pause is the former name of openDuration, which is set too; remove pause',
    );
  });

  test('keep the hash of the configuration', () => {
    const guard = guardOf(installation(', guard: { patience: 2s }'));
    const hashes = hashConfig(read(installation(', guard: { serveStaleAfter: 2s }')), [parking]);
    // As computed before the renaming.
    const before = {
      ...{ concurrency: 8, queue: 200, rate: null, retries: 1, patience: 2_000, faults: 5, pause: 2_000 },
      ...{ checkUp: 5_000, checkDown: 2_000, checkTime: 2_000, drift: 3_600_000, keep: {} },
    };
    const text = JSON.stringify(Object.fromEntries(Object.entries(before).sort(([a], [b]) => (a < b ? -1 : 1))));
    expect(guard?.serveStaleAfter).toBe(2_000);
    expect(hashes['installation p1']?.['guard']).toBe(
      createHash('sha256').update(text).digest('base64url').slice(0, 16),
    );
  });
});

describe('isthmus.yaml', () => {
  const good = `
parks:
  - { id: lakeside, name: Lakeside, region: "500112", buildings: [ { id: b01, name: One, known: [B01] } ] }
installations:
  - { id: p1, park: lakeside, connector: parking, url: "https://x.example", token: "\${TOKEN}" }
anonymous: developer
`;
  test('is read with secrets from the environment', () => {
    const config = readConfig(good, 'isthmus.yaml', [parking], { TOKEN: 'abcdefgh' });
    expect(config.installations[0]).toMatchObject({ id: 'p1', protocol: 'apds', settings: { token: 'abcdefgh' } });
    expect(config.parks[0]?.buildings[0]?.known).toEqual(['B01']);
  });

  test('the time zone of a park is an IANA name, Asia/Shanghai by default', () => {
    const read = (zone: string) =>
      readConfig(good.replace('region: "500112"', `region: "500112"${zone}`), 'isthmus.yaml', [parking], {
        TOKEN: 'abcdefgh',
      }).parks[0]?.zone;
    expect(read('')).toBe('Asia/Shanghai');
    expect(read(', zone: Europe/Berlin')).toBe('Europe/Berlin');
    for (const wrong of ['Europe/Belin', '+08:00', '8', '""'])
      expect(() => read(`, zone: ${wrong}`)).toThrow(
        /line 3: park lakeside: zone must be the name of an IANA time zone, found .*; example: zone: Asia\/Shanghai/,
      );
  });

  test('a replica of the previous version, which knows no time zone, has the same hash of a park without one', () => {
    const hashes = (text: string) =>
      hashConfig(readConfig(text, 'isthmus.yaml', [parking], { TOKEN: 'abcdefgh' }), [parking]);
    expect(Object.keys(hashes(good)['park lakeside'] ?? {})).not.toContain('zone');
    expect(Object.keys(hashes(good.replace('name: Lakeside', 'name: L, zone: UTC'))['park lakeside'] ?? {})).toContain(
      'zone',
    );
  });

  test('reports every error with its line', () => {
    const bad = `
parks:
  - { id: lakeside, name: Lakeside, region: "5001" }
installations:
  - { id: p1, park: elsewhere, connector: parking, url: "x", token: "\${NOWHERE}" }
  - { id: p1, park: lakeside, connector: trains }
colour: red
`;
    let message = '';
    try {
      readConfig(bad, 'isthmus.yaml', [parking], {});
    } catch (error) {
      message = (error as Error).message;
    }
    for (const part of [
      'line 3: park lakeside: region',
      'line 5',
      'NOWHERE',
      'park must be one of lakeside',
      'trains',
      'line 7: unknown section colour',
      'installation id p1 is used twice',
    ]) {
      expect(message).toContain(part);
    }
  });
});

test('units: reads sizes in powers of 1,000 and 1,024, and rejects sizes without unit or below the minimum', () => {
  const size = bytes('how much', '1GB', 1_000);
  expect(['1kB', '1.5MB', '2GB', '1KiB', '64MiB', '1000 B'].map((raw) => size.read(raw))).toEqual([
    ...[1_000, 1_500_000, 2_000_000_000, 1_024, 67_108_864, 1_000],
  ]);
  for (const raw of ['1', '1 gb', 5, '-1MB', 'much', '1EB']) expect(() => size.read(raw)).toThrow('such as 512kB');
  expect(() => size.read('999B')).toThrow('must be at least 1000 bytes');
});

test('reads the section retention and reports every error', () => {
  const errors: string[] = [];
  const read = (raw: unknown) => readRetention(raw, (message) => void errors.push(message));
  expect(read({ readings: '730d', occupancy: '1d' })).toEqual({
    ...{ events: null, keys: null, answers: null, readings: 730 * 86_400_000, occupancy: 86_400_000 },
  });
  expect(errors).toEqual([]);
  read({ readings: 'long', reading: '1d' });
  expect(errors).toEqual([
    'retention: unknown setting reading; settings: events, keys, answers, readings, occupancy',
    expect.stringContaining('example: retention: { readings: 90d }'),
  ]);
});
