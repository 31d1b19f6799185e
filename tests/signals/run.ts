/**
 * `npm run show:signals -- --count 200`: sends signals to a starting, running or stopping demo at random moments; afterwards no
 * process, lock or open port of it may remain. As root, half of the trials run as an ordinary user. `--seed` repeats a run.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { randomNumbers } from '../../gateway/federation/testing/random-numbers.ts';
import { endOnSignals } from '../../gateway/ops/signals.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { type Outcome, restartAndQuery, runTrial, type SignalStep, type Target, type Trial } from './trial.ts';
import { createWorkspace, ordinaryUser, type Workspace } from './workspace.ts';

const { values } = parseArgs({ options: { count: { type: 'string' }, seed: { type: 'string' } } });
const count = Number(values.count ?? 10);
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
/** After every so many trials the demo is restarted in the same folder and queried. */
const AGAIN = 5;

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const chance = randomNumbers(seed);
const oneOf = <T>(list: readonly T[]): T => list[Math.floor(chance() * list.length)] as T;

if (process.platform !== 'linux') {
  print('show:signals requires Linux: it reads /proc.');
  process.exit(1);
}

/** The signals of one trial: usually one, sometimes two, sometimes SIGKILL. */
function shotsByChance(): SignalStep[] {
  const target = oneOf<Target>(['npm', 'hub', 'group']);
  const kind = chance();
  if (kind < 0.08) return [{ signal: 'SIGHUP', target: oneOf<Target>(['group', 'terminal']), after: 0 }];
  if (kind < 0.16) return [{ signal: 'SIGKILL', target: oneOf<Target>(['npm', 'hub']), after: 0 }];
  const first: SignalStep = { signal: oneOf(['SIGINT', 'SIGTERM']), target, after: 0 };
  if (kind < 0.65) return [first];
  return [first, { signal: oneOf(['SIGINT', 'SIGTERM']), target: oneOf([target, 'group']), after: chance() * 2_500 }];
}

print(`${count} trials, seed ${seed}.`);
const users = ordinaryUser();
endOnSignals();
const places: Workspace[] = [createWorkspace(null), ...(users ? [createWorkspace(users)] : [])];
process.once('exit', () => {
  for (const place of places) place.remove();
});
/** Additional seconds for the first start in a folder, and for a build. */
const FIRST = 6;
const BUILD = 4;
/** Duration of the last complete start, in seconds. */
let length = 15;
const rows = new Map<string, { count: number; ends: Map<string, number>; slowest: number; failed: number }>();
const perUser = new Map<string, number>();
let failed = 0;
let restarts = 0;

for (const [i, place] of places.entries()) {
  const port = await freePort();
  const { faults: violations, seconds, transcript } = await restartAndQuery(place, place.data, port);
  if (violations.length > 0) throw new Error(`The demo failed to start: ${violations.join('; ')}\n${transcript}`);
  print(`Start ${i + 1} with a build, as ${place.user?.name ?? 'the current user'}: ${seconds} s.`);
}
for (let n = 1; n <= count; n++) {
  const place = places[n % places.length] as Workspace;
  const fresh = chance() < 0.4;
  const building = chance() < 0.1;
  const data = fresh ? place.fresh() : place.data;
  const shots = shotsByChance();
  const span = length + (fresh ? FIRST : 0) + (building ? BUILD : 0);
  // About a third of the trials interrupt the shutdown, which the first signal then begins.
  const stopping = chance() < 0.3;
  if (stopping && shots.length === 1 && chance() < 0.5)
    shots.splice(
      0,
      1,
      { signal: 'SIGTERM', target: 'hub', after: 0 },
      { ...(shots[0] as SignalStep), after: chance() * 2_500 },
    );
  const trial: Trial = {
    moment: stopping
      ? { of: 'up', after: chance() * 1_000 }
      : { of: 'start', after: chance() * (building ? BUILD : span * 1.1) * 1_000 },
    signals: shots,
    data,
    port: await freePort(),
  };
  if (building) rmSync(join(place.sources, 'dist', '.built'), { force: true });
  const outcome = await runTrial(place, trial);
  const violations = [...outcome.violations];
  let transcript = outcome.transcript;
  if (n % AGAIN === 0) {
    const next = await restartAndQuery(place, data, trial.port);
    restarts++;
    violations.push(...next.faults);
    transcript += `\n--- restart\n${next.transcript}`;
    if (next.seconds !== null) length = Math.min(next.seconds, 60);
  }
  if (fresh) rmSync(data, { recursive: true, force: true });
  note(outcome, shots, violations);
  perUser.set(place.user?.name ?? 'own', (perUser.get(place.user?.name ?? 'own') ?? 0) + 1);
  if (violations.length > 0) {
    failed++;
    print(`\nTrial ${n} failed: ${violations.join('; ')}\n${transcript}\n`);
  } else if (n % 10 === 0) print(`${n} of ${count}`);
}

function note(outcome: Outcome, shots: readonly SignalStep[], violations: readonly string[]): void {
  const what = shots.map((shot) => `${shot.signal} ${shot.target}`).join(', ');
  const key = `${outcome.step} | ${shots.length > 1 ? `two signals` : what}`;
  const row = rows.get(key) ?? { count: 0, ends: new Map<string, number>(), slowest: 0, failed: 0 };
  row.count++;
  row.ends.set(outcome.exit, (row.ends.get(outcome.exit) ?? 0) + 1);
  row.slowest = Math.max(row.slowest, outcome.exitMs ?? Number.POSITIVE_INFINITY);
  if (violations.length > 0) row.failed++;
  rows.set(key, row);
}

print(
  '\n| last step printed | signal | trials | exit of npm | slowest exit | failed |\n| --- | --- | --- | --- | --- | --- |',
);
for (const [key, row] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1))) {
  const ends = [...row.ends].map(([end, times]) => (times > 1 ? `${end} (${times})` : end)).join(', ');
  print(`| ${key} | ${row.count} | ${ends} | ${(row.slowest / 1000).toFixed(1)} s | ${row.failed} |`);
}
const as = [...perUser].map(([name, times]) => `${times} as ${name}`).join(', ');
print(`\n${count} trials (${as}), ${restarts} followed by a restart and a query; ${failed} failed. Seed ${seed}.`);
process.exit(failed > 0 ? 1 : 0);
