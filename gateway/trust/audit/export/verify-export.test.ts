import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { generateSigningKey } from '../../signing/signing-key.ts';
import { type TestChain, writeTestExport } from '../testing/export-fixture.ts';
import { type VerifyOptions, verifyExport } from './verify-export.ts';

const key = generateSigningKey();

async function exported(chains: readonly TestChain[], by = key): Promise<Buffer> {
  const parts: string[] = [];
  await writeTestExport(by, chains, async (text) => void parts.push(text));
  return Buffer.from(parts.join(''));
}

async function* whole(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
const check = (bytes: Buffer, options?: VerifyOptions) => verifyExport(whole(bytes), options);
const chains: TestChain[] = [
  { chain: 'aa11', entries: 12 },
  { chain: 'bb22', entries: 7, digest: 'sm3' },
  { chain: 'cc33', entries: 15, trimmed: 6 },
];
const lines = (bytes: Buffer): string[] => bytes.toString().split('\n').slice(0, -1);
const joined = (all: readonly string[]): Buffer => Buffer.from(`${all.join('\n')}\n`);
const at = (all: readonly string[], text: string): number => all.findIndex((line) => line.includes(text));

describe('an audit export', () => {
  test('verifies unchanged, also with SM3 and trimmed chains, in chunks of any size', async () => {
    const bytes = await exported(chains);
    const report = await check(bytes, { trusted: [key.id] });
    expect(report.errors).toEqual([]);
    expect(report).toMatchObject({ entries: 12 + 7 + 9, chains: 3, keys: [key.id] });
    for (const size of [1, 7, 1000]) {
      async function* chunks() {
        for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
      }
      expect((await verifyExport(chunks())).errors).toEqual([]);
    }
  });

  test('fails after any change of one byte (10,000 samples) and names the changed entry', async () => {
    const bytes = await exported([{ chain: 'aa11', entries: 9 }]);
    // Byte range of each entry.
    const places: { from: number; to: number; chain: string; number: number }[] = [];
    let from = 0;
    for (const line of lines(bytes)) {
      const to = from + Buffer.byteLength(line);
      const found = /^\{"hash":"\w+","entry":\{"chain":"(\w+)","number":(\d+)/.exec(line);
      if (found) places.push({ from, to, chain: found[1] as string, number: Number(found[2]) });
      from = to + 1;
    }
    let caught = 0;
    let named = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (place, change) => {
        const changed = Buffer.from(bytes);
        changed[place] = (bytes[place] as number) ^ change;
        const { errors } = await check(changed);
        expect(errors.length).toBeGreaterThan(0);
        caught++;
        const entry = places.find((one) => place >= one.from && place < one.to);
        if (!entry) return;
        expect(errors[0]).toMatchObject({ chain: entry.chain, entry: entry.number });
        named++;
      }),
      { numRuns: 10_000 },
    );
    expect(caught).toBe(10_000);
    expect(named).toBeGreaterThan(5_000);
  }, 120_000);

  test('reports removed entries, truncated tails and missing chains', async () => {
    const all = lines(await exported(chains));
    const first = async (changed: readonly string[]) => (await check(joined(changed))).errors[0]?.message;
    const third = at(all, '"chain":"aa11","number":3,');
    expect(await first(all.filter((_, i) => i !== third))).toBe('entry 3 is missing');
    const twelfth = at(all, '"chain":"aa11","number":12,');
    expect(await first(all.filter((_, i) => i !== twelfth))).toBe('the tail is truncated: entry 12 is missing');
    const isOf = (line: string) => line.startsWith('{"hash"') && line.includes('"chain":"bb22"');
    expect(await first(all.filter((line) => !isOf(line)))).toBe('the tail is truncated: entries 1 to 7 are missing');
    const withoutChain = all.filter((line) => !isOf(line) && !line.startsWith('{"chain":{"chain":"bb22"'));
    expect((await check(joined(withoutChain))).errors.map((error) => error.message)).toContain(
      'chain bb22 is missing: statements cover 7 entries',
    );
    const swapped = [...all];
    [swapped[third], swapped[third + 1]] = [all[third + 1] as string, all[third] as string];
    expect((await check(joined(swapped))).errors[0]).toMatchObject({ chain: 'aa11', entry: 3 });
    expect(await first(all.slice(0, -1))).toBe('the export has no signed end: the file is truncated');
  });

  test('verification of entries: reports entries with valid hashes that differ from the signed statement', async () => {
    const { errors } = await check(await exported([{ chain: 'aa11', entries: 12, forged: 4 }]));
    expect(errors).toMatchObject([
      { chain: 'aa11', entry: 10, message: 'entry 10 differs from the signed one' },
      { chain: 'aa11', entry: 12, message: 'entry 12 differs from the signed one' },
    ]);
  });

  test('reports removed statements, and a log that was rewritten with another key', async () => {
    const bytes = await exported(chains);
    const all = lines(bytes);
    const second = at(all, '{"statement":{"number":2,');
    expect((await check(joined(all.filter((_, i) => i !== second)))).errors[0]?.message).toBe(
      'statements 2 to 2 are missing',
    );
    const { newest } = await check(bytes);
    if (!newest) throw new Error('no statement');
    expect((await check(bytes, { knownStatement: newest })).errors).toEqual([]);
    const other = generateSigningKey();
    const anew = await exported(chains, other);
    expect((await check(anew)).errors).toEqual([]);
    expect((await check(anew, { trusted: [key.id] })).errorCount).toBeGreaterThan(0);
    expect((await check(anew, { knownStatement: newest })).errors[0]?.message).toContain('is not the known one');
  });
});
