/**
 * `npm run show:signals -- --count 200`: signals to a starting, running or stopping demo, at moments by chance; after each of them no
 * process, lock or port of it may be left. As root, half of the trials run as an ordinary user. `--seed` repeats a run.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { endOnSignals } from '../../gateway/ops/signals.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { type Outcome, runTrial, type Shot, startAgain, type Target, type Trial } from './trial.ts';
import { ordinaryUser, type Workplace, workplace } from './workplace.ts';

const { values } = parseArgs({ options: { count: { type: 'string' }, seed: { type: 'string' } } });
const count = Number(values.count ?? 10);
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
/** Every so many trials the demo is started again in the same folder, and asked. */
const AGAIN = 5;

const say = (text: string): void => void process.stdout.write(`${text}\n`);
let state = seed >>> 0;
/** Mulberry32: from 0 to below 1. */
const chance = (): number => {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
};
const oneOf = <T>(list: readonly T[]): T => list[Math.floor(chance() * list.length)] as T;

if (process.platform !== 'linux') {
  say('show:signals finds processes by /proc, so it needs Linux.');
  process.exit(1);
}

/** The signals of one trial: mostly one; sometimes a second, sometimes one that cannot be handled. */
function shotsByChance(): Shot[] {
  const target = oneOf<Target>(['npm', 'hub', 'group']);
  const kind = chance();
  if (kind < 0.08) return [{ signal: 'SIGHUP', target: oneOf<Target>(['group', 'terminal']), after: 0 }];
  if (kind < 0.16) return [{ signal: 'SIGKILL', target: oneOf<Target>(['npm', 'hub']), after: 0 }];
  const first: Shot = { signal: oneOf(['SIGINT', 'SIGTERM']), target, after: 0 };
  if (kind < 0.65) return [first];
  return [first, { signal: oneOf(['SIGINT', 'SIGTERM']), target: oneOf([target, 'group']), after: chance() * 2_500 }];
}

say(`${count} trials, seed ${seed}.`);
const users = ordinaryUser();
endOnSignals();
const places: Workplace[] = [workplace(null), ...(users ? [workplace(users)] : [])];
process.once('exit', () => {
  for (const place of places) place.remove();
});
/** Seconds that a first start in a folder, and a build, take besides. */
const FIRST = 6;
const BUILD = 15;
/** Seconds of the last whole start. */
let length = 15;
const rows = new Map<string, { count: number; ends: Map<string, number>; slowest: number; failed: number }>();
const perUser = new Map<string, number>();
let failed = 0;
let asked = 0;

for (const [i, place] of places.entries()) {
  const port = await freePort();
  const { faults, seconds, transcript } = await startAgain(place, place.data, port);
  if (faults.length > 0) throw new Error(`The demo does not run here: ${faults.join('; ')}\n${transcript}`);
  say(`Start ${i + 1}, with a build, as ${place.user?.name ?? 'this user'}: ${seconds} s.`);
}
for (let n = 1; n <= count; n++) {
  const place = places[n % places.length] as Workplace;
  const fresh = chance() < 0.4;
  const building = chance() < 0.1;
  const data = fresh ? place.fresh() : place.data;
  const shots = shotsByChance();
  const span = length + (fresh ? FIRST : 0) + (building ? BUILD : 0);
  // The longer ones are rather in the start; a third is while it stops, which the first shot then begins.
  const stopping = chance() < 0.3;
  if (stopping && shots.length === 1 && chance() < 0.5)
    shots.splice(
      0,
      1,
      { signal: 'SIGTERM', target: 'hub', after: 0 },
      { ...(shots[0] as Shot), after: chance() * 2_500 },
    );
  const trial: Trial = {
    moment: stopping
      ? { of: 'up', after: chance() * 1_000 }
      : { of: 'start', after: chance() * (building ? BUILD : span * 1.1) * 1_000 },
    shots,
    data,
    port: await freePort(),
  };
  if (building) rmSync(join(place.sources, 'dist', '.built'), { force: true });
  const outcome = await runTrial(place, trial);
  const faults = [...outcome.faults];
  let transcript = outcome.transcript;
  if (n % AGAIN === 0) {
    const next = await startAgain(place, data, trial.port);
    asked++;
    faults.push(...next.faults);
    transcript += `\n--- the next start\n${next.transcript}`;
    if (next.seconds !== null) length = Math.min(next.seconds, 60);
  }
  if (fresh) rmSync(data, { recursive: true, force: true });
  note(outcome, shots, faults);
  perUser.set(place.user?.name ?? 'own', (perUser.get(place.user?.name ?? 'own') ?? 0) + 1);
  if (faults.length > 0) {
    failed++;
    say(`\nTrial ${n} failed: ${faults.join('; ')}\n${transcript}\n`);
  } else if (n % 10 === 0) say(`${n} of ${count}`);
}

function note(outcome: Outcome, shots: readonly Shot[], faults: readonly string[]): void {
  const what = shots.map((one) => `${one.signal} ${one.target}`).join(', ');
  const key = `${outcome.step} | ${shots.length > 1 ? `two signals` : what}`;
  const row = rows.get(key) ?? { count: 0, ends: new Map<string, number>(), slowest: 0, failed: 0 };
  row.count++;
  row.ends.set(outcome.end, (row.ends.get(outcome.end) ?? 0) + 1);
  row.slowest = Math.max(row.slowest, outcome.gone ?? Number.POSITIVE_INFINITY);
  if (faults.length > 0) row.failed++;
  rows.set(key, row);
}

say(
  '\n| last step said | signal | trials | npm ended with | slowest end | failed |\n| --- | --- | --- | --- | --- | --- |',
);
for (const [key, row] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1))) {
  const ends = [...row.ends].map(([end, times]) => (times > 1 ? `${end} (${times})` : end)).join(', ');
  say(`| ${key} | ${row.count} | ${ends} | ${(row.slowest / 1000).toFixed(1)} s | ${row.failed} |`);
}
const as = [...perUser].map(([name, times]) => `${times} as ${name}`).join(', ');
say(`\n${count} trials (${as}), ${asked} of them followed by a start that was asked; ${failed} failed. Seed ${seed}.`);
process.exit(failed > 0 ? 1 : 0);
