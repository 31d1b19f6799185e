import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newConnector } from './new-connector.ts';

let folder: string;
const read = (file: string): string => readFileSync(join(folder, file), 'utf8');

/** A copy of what the command reads and changes. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-new-connector-'));
  for (const entry of ['template', 'index.ts', 'simulator-list.ts'])
    cpSync(join(import.meta.dirname, entry), join(folder, entry), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('new connector: creates a connector from the template and registers it and its simulator', () => {
  const files = newConnector('heat-pumps', folder);
  expect(files.length).toBeGreaterThan(5);
  expect(existsSync(join(folder, 'heat-pumps', 'heat-pumps.test.ts'))).toBe(true);
  expect(read('heat-pumps/index.ts')).toContain('const heatPumps: Connector<Values<typeof heatPumpsSettings>');
  expect(read('heat-pumps/simulator.ts')).toContain('export const simulator');
  const list = read('index.ts');
  expect(list).toContain("import heatPumps from './heat-pumps/index.ts';");
  expect(list).toMatch(/const connectors: readonly AnyConnector\[\] = \[[^\]]*\bheatPumps\b/);
  expect(read('simulator-list.ts')).toMatch(
    /const SIMULATORS[^\n]* = \{\n[^}]*\n {2}'heat-pumps': \(\) => import\('\.\/heat-pumps\/simulator\.ts'\),\n\};/,
  );
});

test('new connector: rejects an invalid name and a name in use', () => {
  expect(() => newConnector('Heat Pumps', folder)).toThrow('Invalid connector name "Heat Pumps".');
  newConnector('water', folder);
  expect(read('simulator-list.ts')).toMatch(/\n {2}water: \(\) => import\('\.\/water\/simulator\.ts'\),\n\};/);
  expect(() => newConnector('water', folder)).toThrow('connectors/water already exists.');
});

test('new connector: reports a list that it cannot change', () => {
  const list = read('simulator-list.ts');
  writeFileSync(join(folder, 'simulator-list.ts'), list.replace('const SIMULATORS', 'const OTHERS'));
  expect(() => newConnector('steam', folder)).toThrow(/Found no list of connectors in .*simulator-list\.ts/);
  writeFileSync(join(folder, 'simulator-list.ts'), list);
});
