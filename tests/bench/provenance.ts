/**
 * What it costs to know where every value comes from: Company360 with and without `extensions.provenance`, in turns, over the demo's
 * simulators; the calls to the islands, counted; and the share of the CPU that goes into provenance nobody asked for, by the
 * engine's own profile. `npm run bench:provenance [seconds]`.
 */
import 'reflect-metadata';
import { subscribe } from 'node:diagnostics_channel';
import { type Profiler, Session } from 'node:inspector/promises';
import type { SourceCallFact } from '../../connectors/kit/guard/guard.ts';
import { silentLog } from '../../connectors/kit/log.ts';
import { createFederation } from '../../gateway/federation/index.ts';
import { Operations } from '../../gateway/operation/operations.ts';
import { readPolicy } from '../../gateway/trust/rights/field-policy.ts';
import { middle, onCompany360 } from './company360.ts';

const seconds = Number(process.argv[2] ?? 20);
const say = (text: string) => void process.stdout.write(`${text}\n`);

/** Calls for answers; what jobs and checks ask goes on beside them. */
const calls: string[] = [];
subscribe('isthmus:source:call', (fact) => {
  const { source, operation: what } = fact as SourceCallFact;
  if (!/^(poll|check|job)/.test(what) && source !== 'hub') calls.push(`${source} ${what}`);
});

/** Where facts and provenance are made: all of one file, and these functions of others. */
const MAKERS = /\/(connectors\/kit\/facts)\.(ts|js)$/;
const FUNCTIONS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/\/kit\/guarding\.(ts|js)$/, ['facts', 'known', 'shown', 'mirrored']],
  [/\/hub\/graph\/show\.(ts|js)$/, ['own', 'told', 'companyProvenance']],
];

/** Share of the busy time that the profile puts into the making of provenance. */
function shareOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): number {
  const makers = new Set<number>();
  const idle = new Set<number>();
  for (const { id, callFrame } of nodes) {
    const { functionName, url } = callFrame;
    if (functionName === '(idle)') idle.add(id);
    const named = FUNCTIONS.some(([file, names]) => file.test(url) && names.includes(functionName));
    if (MAKERS.test(url) || named) makers.add(id);
  }
  let busy = 0;
  let made = 0;
  samples.forEach((id, i) => {
    const time = timeDeltas[i] ?? 0;
    if (!idle.has(id)) busy += time;
    if (makers.has(id)) made += time;
  });
  return made / busy;
}

await onCompany360(async ({ supergraph, subgraphs, request }) => {
  const operations = new Operations({
    federation: createFederation({ supergraph, subgraphs, log: silentLog }),
    policy: readPolicy(supergraph),
  });
  const answer = async (asked: boolean): Promise<number> => {
    const one = await operations.run({
      ...request,
      ...(asked ? { extensions: { provenance: true } } : {}),
    });
    if (one.errors) throw new Error(one.errors[0]?.message);
    return `${one.text?.() ?? JSON.stringify(one.data)}${JSON.stringify(one.extensions ?? {})}`.length;
  };

  // Nothing is fresh any more after the longest of the ages that Company360 touches: every call is made, and counted.
  const made: Record<string, string[]> = {};
  for (const asked of [false, true, false, true]) {
    await new Promise((resolve) => setTimeout(resolve, 10_500));
    calls.length = 0;
    await answer(asked);
    made[String(asked)] = [...calls].sort();
  }
  say(`calls to the islands for one answer: ${made['false']?.length} not asked, ${made['true']?.length} asked`);
  say(`  ${made['false']?.join(', ')}`);
  if (made['false']?.join() !== made['true']?.join()) throw new Error(`Asked, other calls are made: ${made['true']}.`);

  const cpu: Record<string, number[]> = { false: [], true: [] };
  const end = Date.now() + (seconds * 1_000) / 2;
  for (let round = 0; Date.now() < end || round < 6; round++) {
    for (const asked of round % 2 === 0 ? [false, true] : [true, false]) {
      const before = process.cpuUsage();
      let done = 0;
      for (const over = performance.now() + 400; performance.now() < over; done++) await answer(asked);
      const used = process.cpuUsage(before);
      if (round > 1) cpu[String(asked)]?.push((used.user + used.system) / 1_000 / done);
    }
  }
  const [without = 0, with_ = 0] = [middle(cpu['false']), middle(cpu['true'])];
  say(
    `CPU for one answer, median of ${cpu['true']?.length} rounds each: ${without.toFixed(3)} ms not asked, ${with_.toFixed(3)} ms asked (${(with_ / without).toFixed(2)} times); ` +
      `${await answer(false)} and ${await answer(true)} bytes`,
  );

  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 200 });
  await session.post('Profiler.start');
  let done = 0;
  for (const over = Date.now() + (seconds * 1_000) / 2; Date.now() < over; done++) await answer(false);
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const share = shareOf(profile);
  say(
    `of ${done} answers that nobody asked provenance for, its making took ${(100 * share).toFixed(2)} % of the CPU (${profile.samples?.length} samples)`,
  );
  if (share >= 0.02) throw new Error('Provenance that nobody asked for costs 2 % of the CPU or more.');
});
