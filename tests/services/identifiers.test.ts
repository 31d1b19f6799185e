/** Credit codes checked by the hub and by python-stdnum: valid ones, and typing errors of every kind. PYTHON: the interpreter. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { createWorld } from '../../connectors/kit/testing/park/index.ts';
import { parseUscc } from '../../schema/graph/identifiers.ts';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const JUDGE =
  'import sys\nfrom stdnum.cn import uscc\nfor one in sys.stdin: print(1 if uscc.is_valid(one.strip()) else 0)';

test('identifiers: agrees with python-stdnum on 40 credit codes and all variants with a changed, missing, added or swapped character', () => {
  const python = process.env['PYTHON'];
  if (!python) throw new Error('PYTHON is not set: run npm run test:services.');
  const right = createWorld().companies.map((company) => company.uscc);
  const all = new Set(right);
  for (const code of right) {
    for (let i = 0; i < code.length; i++) {
      const [before, after] = [code.slice(0, i), code.slice(i + 1)];
      for (const other of ALPHABET) all.add(before + other + after);
      all.add(before + after);
      all.add(`${before}0${code.slice(i)}`);
      if (i < 17) all.add(before + after[0] + code[i] + after.slice(1));
    }
  }
  const codes = [...all];
  const theirs = execFileSync(python, ['-c', JUDGE], { input: codes.join('\n'), maxBuffer: 1 << 24 })
    .toString()
    .trim()
    .split('\n');
  expect(theirs).toHaveLength(codes.length);
  const differ = codes.filter((code, i) => (parseUscc(code) !== null) !== (theirs[i] === '1'));
  expect(differ).toEqual([]);
  expect(theirs.filter((their) => their === '1')).toHaveLength(40);
});
