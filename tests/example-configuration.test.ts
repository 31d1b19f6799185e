/** isthmus.example.yaml is valid as written, with every setting uncommented, and with each one uncommented alone. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { configurable } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import { exampleYaml } from '../connectors/kit/config/reference.ts';
import type { Setting } from '../connectors/kit/config/settings.ts';

/** A line with a setting, commented out with one or two #. */
const COMMENTED = /^( *)# ?( *)(# )?((?:- )?[a-z]\w*:(?: .*)?)$/;

interface Line {
  readonly text: string;
  /** The line without its #; the line itself if it is not a setting. */
  readonly set: string;
  readonly isSetting: boolean;
  /** Column at which the uncommented setting begins. */
  readonly column: number;
  /** Whether its comment says that the section requires it. */
  readonly required: boolean;
  /** Number of # before it; a setting with two is optional within its section. */
  readonly depth: number;
}

function read(text: string): Line {
  const [, before = '', between = '', second, rest] = COMMENTED.exec(text) ?? [];
  const set = rest === undefined ? text : `${before}${between}${rest}`;
  return {
    text,
    set,
    isSetting: rest !== undefined,
    column: set.search(/\S/),
    required: / # .*\brequired\b/.test(text),
    depth: rest === undefined ? 0 : second ? 2 : 1,
  };
}

const folder = mkdtempSync(join(tmpdir(), 'isthmus-example-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const { publicKey, privateKey } = generateKeyPairSync('ed25519', {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});

/** The example, with absolute paths replaced by files of this test. */
const example = exampleYaml(configurable).replace(/(?<=[ :])\/etc\/[\w./-]+/g, (path) => {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, basename(path));
  writeFileSync(file, publicKey);
  return file;
});
const lines = example.split('\n').map(read);

/** For each environment variable of the example, a valid value. */
const environment = Object.fromEntries(
  configurable.flatMap((connector) =>
    Object.entries(connector.settings.fields as Readonly<Record<string, Setting<unknown>>>).flatMap(([name, one]) => {
      const found = new RegExp(
        `^ *(?:# )?${name}: .*\\$\\{(LAKESIDE_${connector.name.toUpperCase().replaceAll('-', '_')}_\\w+)\\}`,
        'm',
      );
      const variable = found.exec(example)?.[1];
      if (variable === undefined) return [];
      const value = ['postgres://reader:secret@db.example/park', privateKey, 'a secret'].find((candidate) => {
        try {
          one.read(candidate);
          return true;
        } catch {
          return false;
        }
      });
      return [[variable, value ?? 'a secret']];
    }),
  ),
);

/** The error of the configuration reader for the example with those lines uncommented; null if valid. */
function refusal(isSet: (line: Line, i: number) => boolean): string | null {
  const text = lines.map((line, i) => (isSet(line, i) ? line.set : line.text)).join('\n');
  try {
    readConfig(text, 'isthmus.example.yaml', configurable, environment);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Indexes of the line, its parents with their required settings, and its children with the same number of #. */
function withItsOwn(at: number): Set<number> {
  const own = lines[at] as Line;
  const chosen = new Set([at]);
  let column = own.column;
  for (let i = at - 1; i >= 0 && column > 0 && lines[i]?.isSetting; i--) {
    const line = lines[i] as Line;
    if (line.column >= column) continue;
    chosen.add(i);
    column = line.column;
    for (let j = i + 1; lines[j]?.isSetting; j++) if (lines[j]?.required) chosen.add(j);
  }
  for (let i = at + 1; lines[i]?.isSetting && (lines[i] as Line).column > own.column; i++) {
    if ((lines[i] as Line).depth === own.depth) chosen.add(i);
  }
  for (let i = at + 1; own.column === 0 && lines[i]?.isSetting; i++) if (lines[i]?.required) chosen.add(i);
  for (const i of neededBy(Math.min(...chosen))) chosen.add(i);
  return chosen;
}

/** Lines of the section named in a comment such as `Requires the section auth.` */
function neededBy(first: number): number[] {
  let comment = '';
  for (let i = first - 1; lines[i]?.text.startsWith('#') && !lines[i]?.isSetting; i--) comment += `${lines[i]?.text}\n`;
  const [, needed] = /Requires the section (\w+)/.exec(comment) ?? [];
  if (needed === undefined) return [];
  const at = lines.findIndex((line) => line.isSetting && line.set.startsWith(`${needed}:`));
  expect(at, needed).toBeGreaterThanOrEqual(0);
  const end = lines.findIndex((line, i) => i > at && !line.isSetting);
  return Array.from({ length: end - at }, (_, i) => at + i);
}

describe('isthmus.example.yaml', () => {
  test('is valid as written', () => {
    expect(refusal(() => false)).toBeNull();
  });

  test('is valid with every setting uncommented, and contains every setting', () => {
    expect(refusal((line) => line.isSetting)).toBeNull();
    const all = parse(lines.map((line) => line.set).join('\n')) as Record<string, unknown> & {
      readonly installations: readonly Readonly<Record<string, unknown>>[];
    };
    for (const connector of configurable) {
      const one = all.installations.find((installation) => installation['connector'] === connector.name) ?? {};
      expect(Object.keys(one).sort(), connector.name).toEqual(
        ['id', 'park', 'connector', ...Object.keys(connector.settings.fields)].sort(),
      );
    }
    const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../schema/isthmus.schema.json'), 'utf8')) as {
      readonly properties: Readonly<
        Record<string, { readonly properties?: Readonly<Record<string, { readonly deprecated?: boolean }>> }>
      >;
    };
    expect(Object.keys(all).sort()).toEqual(Object.keys(schema.properties).sort());
    for (const name of ['guard', 'limits', 'retention', 'audit'])
      expect(Object.keys(all[name] as object).sort(), name).toEqual(
        Object.entries(schema.properties[name]?.properties ?? {})
          .flatMap(([key, { deprecated }]) => (deprecated ? [] : [key]))
          .sort(),
      );
  });

  test('is valid with each setting uncommented alone', () => {
    const single = lines.flatMap((line, i) => (line.isSetting ? [i] : []));
    expect(single.length).toBeGreaterThan(60);
    const refused = single.flatMap((at) => {
      const chosen = withItsOwn(at);
      const why = refusal((_, i) => chosen.has(i));
      return why === null ? [] : [`${lines[at]?.text}: ${why}`];
    });
    expect(refused).toEqual([]);
  });
});
