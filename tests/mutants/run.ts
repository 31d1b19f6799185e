/** Plants each mutant and runs what compares with graphql-js; ends with 1 when one of them goes unnoticed. `npm run test:mutants` */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { MUTANTS } from './list.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const CASES = process.env['ISTHMUS_CASES'] ?? '300';
let missed = 0;

/** Whether the run ended well, and what it said. */
function run(mutant: number): { status: number; said: string } {
  const done = spawnSync(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--config',
      'tests/mutants/config.ts',
      '--bail',
      '1',
      'gateway/federation/property.test.ts',
      'gateway/federation/fused.test.ts',
      '-t',
      'random splits|graphql-js',
    ],
    {
      cwd: ROOT,
      encoding: 'utf8',
      env: { ...process.env, NO_COLOR: '1', ISTHMUS_MUTANT: String(mutant), ISTHMUS_CASES: CASES },
    },
  );
  return { status: done.status ?? 1, said: `${done.stdout}${done.stderr}` };
}

for (const [i, { says, file }] of MUTANTS.entries()) {
  const { status, said } = run(i);
  if (/no longer has/.test(said)) throw new Error(said.slice(-1_000));
  // Caught is a test that failed, not a run that did not begin.
  const caught = status !== 0 && /Tests +\d+ failed/.test(said);
  if (!caught) missed++;
  console.log(`${caught ? 'caught' : 'MISSED'}  ${file}: ${says}`);
}
console.log(`${MUTANTS.length - missed} of ${MUTANTS.length} mutants caught.`);
process.exitCode = missed > 0 ? 1 : 0;
