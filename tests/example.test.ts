/** isthmus.example.yaml is accepted as it is, with every setting uncommented, and with each one alone. */
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

/** A line that sets something, behind one or two #. */
const COMMENTED = /^( *)# ?( *)(# )?((?:- )?[a-z]\w*:(?: .*)?)$/;

interface Line {
  readonly text: string;
  /** Without its #; the line itself where it sets nothing. */
  readonly set: string;
  readonly isSetting: boolean;
  /** Column at which it begins once it is set. */
  readonly column: number;
  /** Whether its own comment says that it goes with the section. */
  readonly required: boolean;
  /** How many # stand before it: what stands behind two may be left out of a section that is set. */
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
    required: / # .*must be given/.test(text),
    depth: rest === undefined ? 0 : second ? 2 : 1,
  };
}

const folder = mkdtempSync(join(tmpdir(), 'isthmus-example-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const { publicKey, privateKey } = generateKeyPairSync('ed25519', {
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});

/** The example; files that it names by an absolute path are in a folder of this test. */
const example = exampleYaml(configurable).replace(/(?<=[ :])\/etc\/[\w./-]+/g, (path) => {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, basename(path));
  writeFileSync(file, publicKey);
  return file;
});
const lines = example.split('\n').map(read);

/** For each variable of the example a value that its setting takes. */
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

/** What the real reader says of the example with those lines set; null: it accepts it. */
function refusal(isSet: (line: Line, i: number) => boolean): string | null {
  const text = lines.map((line, i) => (isSet(line, i) ? line.set : line.text)).join('\n');
  try {
    readConfig(text, 'isthmus.example.yaml', configurable, environment);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The line itself, what it stands in and what must be given with that, and what stands in it behind as many #. */
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

/** Lines of the section that the comment of a section says it needs: `Needs the section auth.` */
function neededBy(first: number): number[] {
  let comment = '';
  for (let i = first - 1; lines[i]?.text.startsWith('#') && !lines[i]?.isSetting; i--) comment += `${lines[i]?.text}\n`;
  const [, needed] = /Needs the section (\w+)/.exec(comment) ?? [];
  if (needed === undefined) return [];
  const at = lines.findIndex((line) => line.isSetting && line.set.startsWith(`${needed}:`));
  expect(at, needed).toBeGreaterThanOrEqual(0);
  const end = lines.findIndex((line, i) => i > at && !line.isSetting);
  return Array.from({ length: end - at }, (_, i) => at + i);
}

describe('isthmus.example.yaml', () => {
  test('is accepted as it is', () => {
    expect(refusal(() => false)).toBeNull();
  });

  test('is accepted with every setting uncommented, and then says every setting that there is', () => {
    expect(refusal((line) => line.isSetting)).toBeNull();
    const all = parse(lines.map((line) => line.set).join('\n')) as Record<string, unknown> & {
      readonly installations: readonly Readonly<Record<string, unknown>>[];
    };
    for (const connector of configurable) {
      const one = all.installations.find((each) => each['connector'] === connector.name) ?? {};
      expect(Object.keys(one).sort(), connector.name).toEqual(
        ['id', 'park', 'connector', ...Object.keys(connector.settings.fields)].sort(),
      );
    }
    const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../schema/isthmus.schema.json'), 'utf8')) as {
      readonly properties: Readonly<Record<string, { readonly properties?: object }>>;
    };
    expect(Object.keys(all).sort()).toEqual(Object.keys(schema.properties).sort());
    for (const name of ['guard', 'limits', 'retention', 'audit'])
      expect(Object.keys(all[name] as object).sort(), name).toEqual(
        Object.keys(schema.properties[name]?.properties ?? {}).sort(),
      );
  });

  test('is accepted with each setting alone uncommented', () => {
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
