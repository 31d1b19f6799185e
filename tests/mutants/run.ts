/**
 * Applies each mutant and runs the test that must fail with it, two at a time; exits with 1 if one is missed. `npm run test:mutants`,
 * optionally with part of a file name. `npm run show:rights-mutants` does the same with the mutants that remove the row permission
 * check in one place; each starts a hub with two parks. `-- --count N` runs N of them, spread over the list; ISTHMUS_SEED selects which.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import startCluster from '../global-setup.ts';
import { ALL_MUTANTS, MUTANTS, type Mutant } from './list.ts';
import { RIGHTS_MUTANTS } from './rights.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** Time limit of a run in milliseconds; a longer run counts as missed. */
const TIME_LIMIT = 120_000;
/** Characters of vitest's output that are printed for a missed mutant. */
const OUTPUT_LENGTH = 4_000;
const { values, positionals } = parseArgs({
  options: { rights: { type: 'boolean' }, count: { type: 'string' } },
  allowPositionals: true,
});
const list = values.rights ? RIGHTS_MUTANTS : MUTANTS;
const every = values.count === undefined ? 1 : Math.max(1, Math.floor(list.length / Number(values.count)));
const offset = Number(process.env['ISTHMUS_SEED'] ?? 0) % every;
const wanted = list
  .filter(({ file }) => file.includes(positionals[0] ?? ''))
  .filter((_, i) => i % every === offset)
  .slice(0, values.count === undefined ? list.length : Number(values.count))
  .map((mutant) => ({ mutant, i: ALL_MUTANTS.indexOf(mutant) }));
const directory = mkdtempSync(join(tmpdir(), 'isthmus-mutants-'));

for (const { file, from } of ALL_MUTANTS) {
  const times = readFileSync(join(ROOT, file), 'utf8').split(from).length - 1;
  if (times !== 1) throw new Error(`${file} contains the text of a mutant ${times} times instead of once: ${from}`);
}

/** The part of vitest's JSON report that is used. */
interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

interface Outcome {
  /** `NOT RUN`: the named test did not run, whatever else failed. */
  readonly outcome: 'caught' | 'MISSED' | 'NOT RUN';
  /** The end of vitest's output. */
  readonly output: string;
}

/** Runs the mutant's test. */
async function run({ caught: { file, name, env = {} } }: Mutant, i: number): Promise<Outcome> {
  const report = join(directory, `${i}.json`);
  const pattern = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const child = spawn(
    process.execPath,
    [
      ...['node_modules/vitest/vitest.mjs', 'run', '--config', 'tests/mutants/config.ts', file, '-t', pattern],
      ...['--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    ],
    {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIME_LIMIT,
      env: { ...process.env, ...env, ISTHMUS_MUTANT: String(i), NO_COLOR: '1' },
    },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-OUTPUT_LENGTH);
    });
  await new Promise((resolve) => child.on('close', resolve).on('error', resolve));
  try {
    const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
    const named = testResults.flatMap((testResult) =>
      testResult.assertionResults.filter(({ fullName }) => fullName.includes(name)),
    );
    const ended = named.filter(({ status }) => status === 'failed' || status === 'passed');
    if (ended.length > 0)
      return { outcome: ended.some(({ status }) => status === 'failed') ? 'caught' : 'MISSED', output: output };
  } catch (error) {
    output += `\n${error}`;
  }
  return { outcome: 'NOT RUN', output: output };
}

let missed = 0;
const started = Date.now();
const stopCluster = await startCluster();
try {
  const left = [...wanted];
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) {
      const { mutant, i } = next;
      const began = Date.now();
      let result = await run(mutant, i);
      if (result.outcome === 'NOT RUN') result = await run(mutant, i);
      const caught = result.outcome === 'caught';
      if (!caught) missed++;
      const seconds = ((Date.now() - began) / 1_000).toFixed(1);
      const { file, name } = mutant.caught;
      console.log(`${result.outcome}  ${mutant.file}: ${mutant.fault}\n        ${file} > ${name} (${seconds} s)`);
      if (!caught) console.log(result.output);
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), 2) }, worker));
} finally {
  await stopCluster();
  rmSync(directory, { recursive: true, force: true });
}
console.log(
  `${wanted.length - missed} of ${wanted.length} mutants caught in ${Math.round((Date.now() - started) / 1_000)} s.`,
);
process.exitCode = missed > 0 ? 1 : 0;
