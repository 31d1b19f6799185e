/** Plants each mutant and runs what compares with graphql-js; ends with 1 when one of them goes unnoticed. `npm run test:mutants` */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { MUTANTS } from './list.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** The comparisons, with as many operations each. A run ends with the first difference: most within 50 operations, some take 400. */
const COMPARISONS = [
  { file: 'gateway/federation/property.test.ts', name: 'random splits', cases: '3000' },
  { file: 'gateway/federation/fused.test.ts', name: 'graphql-js', cases: '300' },
];
let missed = 0;

/** Whether one of the comparisons fails. Throws when the mutant no longer fits the code. */
const isCaught = (mutant: number): boolean =>
  COMPARISONS.some(({ file, name, cases }) => {
    const done = spawnSync(
      process.execPath,
      ['node_modules/vitest/vitest.mjs', 'run', '--config', 'tests/mutants/config.ts', file, '-t', name],
      {
        cwd: ROOT,
        encoding: 'utf8',
        env: { ...process.env, NO_COLOR: '1', ISTHMUS_MUTANT: String(mutant), ISTHMUS_CASES: cases },
      },
    );
    const said = `${done.stdout}${done.stderr}`;
    if (/no longer has/.test(said)) throw new Error(said.slice(-1_000));
    // Caught is a test that failed, not a run that did not begin.
    return done.status !== 0 && /Tests +\d+ failed/.test(said);
  });

for (const [i, { says, file }] of MUTANTS.entries()) {
  const caught = isCaught(i);
  if (!caught) missed++;
  console.log(`${caught ? 'caught' : 'MISSED'}  ${file}: ${says}`);
}
console.log(`${MUTANTS.length - missed} of ${MUTANTS.length} mutants caught.`);
process.exitCode = missed > 0 ? 1 : 0;
