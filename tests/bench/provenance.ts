/**
 * Measures the cost of provenance: Company360 with and without `extensions.provenance`, in alternation, with the demo's
 * simulators; counts the calls to sources; and profiles the share of CPU spent on provenance that was not
 * requested. Run: `npm run bench:provenance [seconds]`.
 */
import 'reflect-metadata';
import { subscribe } from 'node:diagnostics_channel';
import { type Profiler, Session } from 'node:inspector/promises';
import type { SourceCallEvent } from '../../connectors/kit/guard/guard-types.ts';
import { silentLog } from '../../connectors/kit/log.ts';
import { createFederation } from '../../gateway/federation/index.ts';
import { Operations } from '../../gateway/operation/operations.ts';
import { readFieldPolicy } from '../../gateway/trust/rights/field-policy.ts';
import { quantile, withCompany360 } from './company360.ts';

const seconds = Number(process.argv[2] ?? 20);
const print = (text: string) => void process.stdout.write(`${text}\n`);

/** Calls made by queries, without those of jobs and checks. */
const calls: string[] = [];
subscribe('isthmus:source:call', (fact) => {
  const { source, operation: what } = fact as SourceCallEvent;
  if (!/^(poll|check|job)/.test(what) && source !== 'hub') calls.push(`${source} ${what}`);
});

/** Functions that create provenance: all of one file, and these of others. */
const MAKERS = /\/connectors\/kit\/provenance\.(ts|js)$/;
const FUNCTIONS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/\/kit\/guard\/source-guard\.(ts|js)$/, ['factsOf', 'readNow', 'fromCache', 'mirrorFacts']],
  [/\/hub\/graph\/present\.(ts|js)$/, ['own', 'reported', 'companyProvenance']],
];

/** Share of the busy time of the profile spent on creating provenance. */
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

await withCompany360(async ({ supergraph, subgraphs, request }) => {
  const operations = new Operations({
    federation: createFederation({ supergraph, subgraphs, log: silentLog }),
    policy: readFieldPolicy(supergraph),
  });
  const answer = async (withProvenance: boolean): Promise<number> => {
    const one = await operations.run({
      ...request,
      ...(withProvenance ? { extensions: { provenance: true } } : {}),
    });
    if (one.errors) throw new Error(one.errors[0]?.message);
    return `${one.json?.() ?? JSON.stringify(one.data)}${JSON.stringify(one.extensions ?? {})}`.length;
  };

  // After the longest freshness of Company360's readings every call is made again, and counted.
  const made: Record<string, string[]> = {};
  for (const withProvenance of [false, true, false, true]) {
    await new Promise((resolve) => setTimeout(resolve, 10_500));
    calls.length = 0;
    await answer(withProvenance);
    made[String(withProvenance)] = [...calls].sort();
  }
  print(`calls to sources per query: ${made['false']?.length} without provenance, ${made['true']?.length} with`);
  print(`  ${made['false']?.join(', ')}`);
  if (made['false']?.join() !== made['true']?.join())
    throw new Error(`With provenance, other calls are made: ${made['true']}.`);

  const cpu: Record<string, number[]> = { false: [], true: [] };
  const end = Date.now() + (seconds * 1_000) / 2;
  for (let round = 0; Date.now() < end || round < 6; round++) {
    for (const withProvenance of round % 2 === 0 ? [false, true] : [true, false]) {
      const before = process.cpuUsage();
      let done = 0;
      for (const over = performance.now() + 400; performance.now() < over; done++) await answer(withProvenance);
      const used = process.cpuUsage(before);
      if (round > 1) cpu[String(withProvenance)]?.push((used.user + used.system) / 1_000 / done);
    }
  }
  const [without = 0, with_ = 0] = [quantile(cpu['false']), quantile(cpu['true'])];
  print(
    `CPU per query, median of ${cpu['true']?.length} rounds each: ${without.toFixed(3)} ms without provenance, ${with_.toFixed(3)} ms with (${(with_ / without).toFixed(2)} times); ` +
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
  print(
    `creating provenance took ${(100 * share).toFixed(2)} % of the CPU in ${done} queries that did not request it (${profile.samples?.length} samples)`,
  );
  if (share >= 0.02) throw new Error('Provenance that is not requested takes 2 % of the CPU or more.');
});
