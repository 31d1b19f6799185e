/** Commands run outside the hub's folder: they report where they looked and create nothing. Also the output of separate processes. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { generateSigningKey } from '../gateway/trust/signing/signing-key.ts';
import { openDemoIssuer } from '../gateway/trust/tokens/demo-issuer.ts';
import { rejectionProblems, runCommand } from './run-command.ts';

const ROOT = join(import.meta.dirname, '..');
const PROGRAM = [
  '--import',
  pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href,
  join(ROOT, 'gateway', 'cli.ts'),
];
const home = mkdtempSync(join(tmpdir(), 'isthmus-elsewhere-'));
/** The working directory of every command; it must stay empty. */
const here = join(home, 'here');
const other = join(home, 'other');
const missing = join(home, 'missing');

beforeAll(() => {
  mkdirSync(here);
  mkdirSync(other);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Commands that read the data folder, each with valid arguments. */
const READERS = [
  ['migrate'],
  ['export', 'audit', 'audit.jsonl'],
  ['audit', 'trim', '--before', '2026-01-31'],
  ['audit', 'erase', 'Company', '91350211M000100Y46'],
  ['token', '--role', 'developer'],
  ['simulate', '--status'],
  ['simulate', '--stop'],
  ['simulate', 'parking'],
  ['simulate', 'parking', '--stop'],
];

describe('isthmus commands without data', () => {
  test('each command that reads the data folder names it, says what to set, and creates nothing', async () => {
    for (const args of READERS) {
      for (const [variables, folder] of [
        [{}, join(here, '.isthmus')],
        [{ ISTHMUS_DATA: missing }, missing],
        [{ ISTHMUS_DATA: other }, other],
      ] as const) {
        const ran = await runCommand(args, here, variables);
        expect(rejectionProblems(ran, here), args.join(' ')).toEqual([]);
        expect(ran.err).toContain(folder);
        expect(ran.err).toMatch(/ISTHMUS_DATA=|DATABASE_URL=/);
      }
    }
    expect(readdirSync(other)).toEqual([]);
    expect(existsSync(missing)).toBe(false);
  });

  test('does not create the missing part when only the key or only the database exists', async () => {
    const data = join(home, 'half');
    mkdirSync(data);
    writeFileSync(
      join(data, 'signing-key.pem'),
      generateSigningKey().privateKey.export({ type: 'pkcs8', format: 'pem' }),
    );
    const ran = await runCommand(['export', 'audit', 'audit.jsonl'], here, { ISTHMUS_DATA: data });
    expect(rejectionProblems(ran, here)).toEqual([]);
    expect(ran.err).toContain(`no database (${join(data, 'database')})`);
    expect(readdirSync(data)).toEqual(['signing-key.pem']);
    rmSync(join(data, 'signing-key.pem'));
    mkdirSync(join(data, 'database', 'data'), { recursive: true });
    const keyless = await runCommand(['audit', 'trim', '--before', '2026-01-31'], here, { ISTHMUS_DATA: data });
    expect(rejectionProblems(keyless, here)).toEqual([]);
    expect(keyless.err).toContain(`no signing key (${join(data, 'signing-key.pem')})`);
    expect(readdirSync(data)).toEqual(['database']);
  });

  test('uses and names an existing database; ignores the address left by a killed hub', async () => {
    const database = await createTestDatabase();
    const data = join(home, 'whole');
    mkdirSync(join(data, 'database', 'data'), { recursive: true });
    writeFileSync(
      join(data, 'signing-key.pem'),
      generateSigningKey().privateKey.export({ type: 'pkcs8', format: 'pem' }),
    );
    writeFileSync(join(data, 'database.url'), `${database.url}\n`);
    const file = join(home, 'audit.jsonl');
    const ran = await runCommand(['export', 'audit', file], here, { ISTHMUS_DATA: data });
    expect(ran).toMatchObject({ code: 0, err: '' });
    expect(ran.out).toContain(`Exported 0 entries to ${file}, from the data folder ${data}.`);
    await database.drop();
    // The command now tries the folder itself, which contains no complete cluster.
    const left = await runCommand(['export', 'audit', file], here, { ISTHMUS_DATA: data });
    expect(rejectionProblems(left, here)).toEqual([]);
    expect(left.err).toContain('is not a complete PostgreSQL database');
  });

  test('prints nothing but the token to standard output', async () => {
    const data = join(home, 'issuer');
    await openDemoIssuer(data);
    const ran = await runCommand(['token', '--role', 'developer'], here, { ISTHMUS_DATA: data });
    expect(ran).toMatchObject({ code: 0, out: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+\n$/) });
  });

  test('leaves an empty database in DATABASE_URL empty', async () => {
    const database = await createTestDatabase({ migrated: false });
    const key = join(home, 'key.pem');
    writeFileSync(key, generateSigningKey().privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const variables = { DATABASE_URL: database.url, ISTHMUS_SIGNING_KEY: key };
    for (const args of [
      ['export', 'audit', 'a.jsonl'],
      ['audit', 'erase', 'Company', 'x'],
    ]) {
      const ran = await runCommand(args, here, variables);
      expect(rejectionProblems(ran, here)).toEqual([]);
      expect(ran.err).toContain('holds no records of a hub');
    }
    expect(await database.plain.query("SELECT 1 FROM information_schema.tables WHERE table_schema = 'public'")).toEqual(
      [],
    );
    await database.drop();
  });
});

describe('isthmus as a separate process', () => {
  const isthmus = (args: readonly string[], variables: Readonly<Record<string, string>> = {}) =>
    spawnSync(process.execPath, [...PROGRAM, ...args], {
      cwd: here,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], TSX_TSCONFIG_PATH: join(ROOT, 'tsconfig.json'), ...variables },
    });

  test('runs from source in any folder', () => {
    const program = join(home, 'clone', 'bin', 'isthmus.js');
    cpSync(join(ROOT, 'bin'), join(home, 'clone', 'bin'), { recursive: true });
    for (const name of [
      'gateway',
      'connectors',
      'schema',
      'migrations',
      'node_modules',
      'package.json',
      'tsconfig.json',
    ])
      symlinkSync(join(ROOT, name), join(home, 'clone', name));
    const ran = spawnSync(process.execPath, ['--preserve-symlinks', program, 'export', 'audit', 'a.jsonl'], {
      cwd: here,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] },
    });
    expect(rejectionProblems({ code: ran.status ?? 0, out: ran.stdout, err: ran.stderr }, here)).toEqual([]);
    expect(ran.stderr).toContain('no signing key');
  });

  test('reports an internal error in one sentence that names ISTHMUS_LOG=debug, which adds the stack', () => {
    // Thrown outside any promise, as soon as a handler is registered.
    const plant = `process.on('newListener', (name) => name === 'uncaughtException' && queueMicrotask(() => undefined.planted));`;
    const options = { NODE_OPTIONS: `--import "data:text/javascript,${encodeURIComponent(plant)}"` };
    const ran = isthmus(['token', '--role', 'developer'], options);
    expect(ran.status).toBe(1);
    expect(ran.stderr).toMatch(/^Internal error in Isthmus: .*planted.*ISTHMUS_LOG=debug\.\n$/);
    expect(isthmus(['token', '--role', 'developer'], { ...options, ISTHMUS_LOG: 'debug' }).stderr).toMatch(/^ {4}at /m);
  });

  test('exits cleanly when the reader closes standard output', async () => {
    const data = join(home, 'demo');
    await openDemoIssuer(data);
    const child = spawn(process.execPath, [...PROGRAM, 'token', '--role', 'developer'], {
      cwd: here,
      env: { PATH: process.env['PATH'], ISTHMUS_DATA: data },
    });
    child.stdout.destroy();
    let output = '';
    child.stderr.on('data', (text) => {
      output += text;
    });
    const [code] = await once(child, 'exit');
    expect({ code, output }).toEqual({ code: 0, output: '' });
  });
});
