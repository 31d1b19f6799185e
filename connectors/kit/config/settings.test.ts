import { describe, expect, test } from 'vitest';
import type { AnyConnector } from '../connector.ts';
import { makeLog } from '../log.ts';
import { readConfig } from './config-file.ts';
import { readRetention } from './sections/retention.ts';
import { bytes, milliseconds, readSettings, secret, settings, settingsTable, url } from './settings.ts';

const declaration = settings('parking', {
  url: url("Base address of the vendor's REST API", 'https://parking.example/api'),
  token: secret('Bearer token issued by the vendor'),
  timeout: milliseconds('How long one call may take', '3s'),
});

const parking = { name: 'parking', settings: declaration, protocol: () => 'apds' } as unknown as AnyConnector;

describe('settings', () => {
  test('are read with their types and defaults', () => {
    const read = readSettings(declaration, { url: 'https://x.example', token: 'abcdefgh' });
    expect(read.values).toEqual({ url: 'https://x.example', token: 'abcdefgh', timeout: 3000 });
  });

  test('name all faults at once, never the secret', () => {
    const read = readSettings(declaration, { url: 'ftp://x', token: 7, timeout: 'soon', colour: 'red' });
    expect(read.faults.map((fault) => fault.name).sort()).toEqual(['colour', 'timeout', 'token', 'url']);
    expect(JSON.stringify(read.faults)).not.toContain('7');
    expect(readSettings(declaration, {}).faults).toHaveLength(2);
  });

  test('print their table', () => {
    expect(settingsTable(declaration)).toContain(
      '| `token` | Bearer token issued by the vendor | secret, (must be given) |',
    );
  });

  test('a secret is struck out of every log line', () => {
    const lines: string[] = [];
    readSettings(declaration, { url: 'https://x.example', token: 'verysecrettoken' });
    makeLog((line) => lines.push(line)).info('calling with verysecrettoken', { error: new Error('verysecrettoken') });
    expect(lines.join('')).not.toContain('verysecrettoken');
    expect(lines.join('')).toContain('[hidden]');
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
  test('is read, with secrets from the environment', () => {
    const config = readConfig(good, 'isthmus.yaml', [parking], { TOKEN: 'abcdefgh' });
    expect(config.installations[0]).toMatchObject({ id: 'p1', protocol: 'apds', settings: { token: 'abcdefgh' } });
    expect(config.parks[0]?.buildings[0]?.known).toEqual(['B01']);
  });

  test('names every fault with its line', () => {
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
      'line 7: colour',
      'two installations',
    ]) {
      expect(message).toContain(part);
    }
  });
});

test('bytes are read in thousands or in 1,024, and what is too small or has no unit is refused', () => {
  const one = bytes('how much', '1GB', 1_000);
  expect(['1kB', '1.5MB', '2GB', '1KiB', '64MiB', '1000 B'].map((raw) => one.read(raw))).toEqual([
    ...[1_000, 1_500_000, 2_000_000_000, 1_024, 67_108_864, 1_000],
  ]);
  for (const raw of ['1', '1 gb', 5, '-1MB', 'much', '1EB']) expect(() => one.read(raw)).toThrow('such as 512kB');
  expect(() => one.read('999B')).toThrow('must be at least 1000 bytes');
});

test('retention names each fault; readings and occupancy have times of their own', () => {
  const faults: string[] = [];
  const read = (raw: unknown) => readRetention(raw, (sentence) => void faults.push(sentence));
  expect(read({ readings: '730d', occupancy: '1d' })).toEqual({
    ...{ events: null, keys: null, answers: null, readings: 730 * 86_400_000, occupancy: 86_400_000 },
  });
  expect(faults).toEqual([]);
  read({ readings: 'long', reading: '1d' });
  expect(faults).toEqual([
    'retention: reading is not known; known are events, keys, answers, readings, occupancy',
    expect.stringContaining('example: retention: { readings: 90d }'),
  ]);
});
