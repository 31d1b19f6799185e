/** What is measured while an island suffers: used by the sample in `npm test` and by the whole matrix of `npm run test:chaos`. */
import type { Fault } from '../connectors/kit/testing/chaos-proxy.ts';
import { type Answer, operation, until, type WholeHub } from './hub.ts';
import { watchLoop } from './pauses.ts';

/**
 * Where an island's values stand in Company360, which of its sources must be named, how old such a value is called fresh at most (in
 * milliseconds at full scale; null: a mirror, which is fresh for long), and the faults that may do it no harm: the answer's length, or
 * its number, says what belongs to it, or it is so short that it is there in time, byte by byte. Of those it is only known that they
 * were at work.
 */
interface Island {
  readonly field: string;
  readonly sources: RegExp;
  readonly fresh: number | null;
  readonly harmless: readonly Fault[];
}
export const ISLANDS: Readonly<Record<string, Island>> = {
  'access-control': { field: 'presence', sources: /^lakeside-access$/, fresh: 1_000, harmless: [] },
  parking: { field: 'vehicles', sources: /^lakeside-parking$/, fresh: 2_000, harmless: ['endless', 'duplicate'] },
  registration: {
    ...{ field: 'registration', sources: /^lakeside-register$/ },
    ...{ fresh: 10_000, harmless: ['endless', 'duplicate'] },
  },
  tax: { field: 'tax', sources: /^lakeside-tax$/, fresh: null, harmless: [] },
  energy: {
    field: 'meters',
    sources: /^lakeside-(meters|telemetry)$/,
    fresh: null,
    harmless: ['drip', 'endless', 'duplicate'],
  },
};
/** So many marked answers are looked at, at least. */
const MARKED = 10;
/** What a pause of the machine may add to the age of a value before it is judged, in milliseconds. */
const AGE_SLACK = 2_000;

/** All times of the demo's settings at that scale; 1 is what a user gets. */
export const scaled =
  (scale: number) =>
  (text: string): string => {
    const ms = (milliseconds: number) => `${Math.round(milliseconds * scale)}ms`;
    const fresh = {
      Door: 30_000,
      Badge: 5_000,
      DoorState: 1_000,
      AccessEvent: 1_000,
      Presence: 1_000,
      ParkingLot: 2_000,
    };
    const more = { ParkingSession: 1_000, ParkingPermit: 2_000, Registration: 10_000 };
    const kept = Object.entries({ ...fresh, ...more }).map(([type, age]) => `${type}: { fresh: ${ms(age)} }`);
    const guard = `guard: { patience: ${ms(1_000)}, pause: ${ms(2_000)}, checkUp: ${ms(5_000)}, checkDown: ${ms(2_000)}, checkTime: ${ms(2_000)}, keep: { ${kept} } }`;
    const timed = text.replace(
      /^( +)connector: (access-control|parking|registration|energy)$/gm,
      `$1connector: $2\n$1timeout: ${ms(2_000)}`,
    );
    return `${timed}\ndeadline: ${ms(3_000)}\n${guard}\n`;
  };

export interface Cell {
  readonly island: string;
  readonly fault: string;
  readonly samples: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** The same of the time in which this process had nothing else to do: what the answer waited for a source. */
  readonly waited: { readonly p50: number; readonly p99: number };
  /** How often the fault was at work. */
  readonly hurt: number;
  /** How many of the Company360 answers showed the island's values as last known, and how many as fresh. */
  readonly kept: number;
  readonly live: number;
  /** Milliseconds from the end of the fault until nothing is marked any more. */
  readonly healed: number;
  /** What was wrong; empty when all was as promised. */
  readonly wrong: readonly string[];
  /** Islands that were well and shown as last known, and in which share of the answers that was so. */
  readonly others: readonly string[];
  readonly othersShare: number;
}

const span = () => ({
  from: new Date(Date.now() - 86_400_000).toISOString(),
  to: new Date(Date.now() + 3_600_000).toISOString(),
});

export const company360 = (whole: WholeHub, uscc: string): Promise<Answer> =>
  whole.ask(operation('Company360'), { uscc, ...span() }, { extensions: { provenance: true } });
export const parkNow = (whole: WholeHub): Promise<Answer> => whole.ask(operation('ParkNow'), { id: 'lakeside' });

/** Nothing is marked, nothing fails. */
export const healthy = async (whole: WholeHub, uscc: string): Promise<boolean> => {
  const [company, park] = await Promise.all([company360(whole, uscc), parkNow(whole)]);
  return !company.errors && !park.errors && !company.extensions?.sources && !park.extensions?.sources;
};

/** What is wrong with one answer to a question of that moment while `dark` islands suffer. */
function faultsOf(
  answer: Answer,
  asked: number,
  dark: readonly string[],
  scale: number,
): { wrong: string[]; others: string[] } {
  const wrong: string[] = [];
  const others: string[] = [];
  const company = answer.data?.company;
  if (answer.errors)
    wrong.push(`errors: ${answer.errors.map((one) => `${one.path?.join('.')} ${one.extensions['code']}`)}`);
  for (const [name, { field, sources, fresh }] of Object.entries(ISLANDS)) {
    if (company?.[field] === null || company?.[field] === undefined) {
      wrong.push(`${name} shows nothing`);
      continue;
    }
    for (const one of answer.extensions?.provenance ?? []) {
      if (one.path[1] !== field || !sources.test(one.source)) continue;
      const marked = answer.extensions?.sources?.some((each: { source: string }) => each.source === one.source);
      if (one.stale && !marked) wrong.push(`${one.source} is stale and not named`);
      const age = asked - Date.parse(one.fetchedAt);
      if (!one.stale && fresh !== null && age > fresh * scale + AGE_SLACK)
        wrong.push(`a value of ${one.source} is too old to be called fresh`);
      if (one.stale && !dark.includes(name)) others.push(`${one.source} is stale, but only ${dark} suffers`);
    }
  }
  // `age` is told by the answer itself; it must be the time since `fetchedAt` at some moment between question and answer.
  const told = company?.registration?.provenance;
  const proof = (answer.extensions?.provenance ?? []).find(
    (one: { path: unknown[] }) => one.path.join() === 'company,registration',
  );
  if (told && proof) {
    const age = seconds(told.age);
    const since = (moment: number) => (moment - Date.parse(proof.fetchedAt)) / 1_000;
    if (age < since(asked) - 1 || age > since(Date.now()) + 1) wrong.push('age is not the time since fetchedAt');
  }
  return { wrong, others };
}

/** Seconds of an ISO 8601 duration of days and less. */
export function seconds(duration: string): number {
  const [, d, h, m, s] = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$/.exec(duration) ?? [];
  return Number(d ?? 0) * 86_400 + Number(h ?? 0) * 3_600 + Number(m ?? 0) * 60 + Number(s ?? 0);
}

/** Lets the islands suffer for at least `samples` answers and `milliseconds`, then waits until all is well again. */
export async function suffer(
  whole: WholeHub,
  uscc: string,
  dark: readonly string[],
  fault: Fault,
  options: {
    readonly scale: number;
    readonly samples: number;
    readonly milliseconds: number;
    readonly heal: number;
    /** This long it must be well, in milliseconds. */
    readonly steady: number;
  },
): Promise<Cell> {
  const times: number[] = [];
  const waits: number[] = [];
  const loop = watchLoop();
  const wrong = new Map<string, number>();
  const others = new Map<string, number>();
  const note = (what: Map<string, number>, all: readonly string[]) => {
    for (const one of new Set(all)) what.set(one, (what.get(one) ?? 0) + 1);
  };
  const first = ISLANDS[dark[0] as string] as (typeof ISLANDS)[string];
  let kept = 0;
  let live = 0;
  let othersSeen = 0;
  const harmed = dark.filter((island) => !ISLANDS[island]?.harmless.includes(fault));
  await Promise.all(dark.map((island) => whole.chaos(island, fault)));
  const end = Date.now() + options.milliseconds;
  // A value that is fresh for long is stale only later: it is waited for.
  const latest = end + 20_000 * options.scale + AGE_SLACK;
  const unseen = () => harmed.length > 0 && kept < MARKED && Date.now() < latest;
  while (times.length < options.samples || Date.now() < end || unseen()) {
    const timed = async (ask: () => Promise<Answer>): Promise<Answer> => {
      const started = performance.now();
      const before = loop.busy();
      const answer = await ask();
      const time = performance.now() - started;
      times.push(time);
      waits.push(Math.max(time - (loop.busy() - before), 0));
      return answer;
    };
    const asked = Date.now();
    const [company, park] = await Promise.all([timed(() => company360(whole, uscc)), timed(() => parkNow(whole))]);
    const faults = faultsOf(company, asked, dark, options.scale);
    note(wrong, faults.wrong);
    if (faults.others.length > 0) othersSeen++;
    note(others, faults.others);
    if (park.errors || !park.data?.park?.lots || park.data.park.buildings[0].peopleInside === undefined) {
      note(wrong, [`ParkNow: ${park.errors?.map((one) => `${one.path?.join('.')} ${one.extensions['code']}`)}`]);
    }
    const named = company.extensions?.sources?.some((one: { source: string }) => first.sources.test(one.source));
    if (named) kept++;
    else live++;
  }
  const hurt = dark.map((island) => whole.hurt(island));
  if (kept === 0 && harmed.length > 0) note(wrong, [`nothing of ${dark} was ever marked as last known`]);
  // Where nobody listens nothing can be counted but what was cut: that nothing came is seen by the mark alone.
  if (fault !== 'refused' && hurt.includes(0)) note(wrong, [`${fault} never reached ${dark}`]);
  await Promise.all(dark.map((island) => whole.chaos(island, null)));
  const over = Date.now();
  // Healed is who stays well: one good answer may be one that was kept fresh, and a pool may still hold dead connections.
  let well: number | null = null;
  await until(`${dark} healed after ${fault}`, (options.heal + options.steady) / 1_000, async () => {
    well = (await healthy(whole, uscc)) ? (well ?? Date.now()) : null;
    return well !== null && Date.now() - well >= options.steady;
  }).catch((error: Error) => wrong.set(error.message, 1));
  loop.stop();
  const at = (all: number[], share: number) => {
    all.sort((a, b) => a - b);
    return Math.round(all[Math.min(Math.floor(all.length * share), all.length - 1)] ?? 0);
  };
  return {
    island: dark.join(', '),
    fault,
    samples: times.length,
    p50: at(times, 0.5),
    p99: at(times, 0.99),
    waited: { p50: at(waits, 0.5), p99: at(waits, 0.99) },
    hurt: hurt.reduce((sum, one) => sum + one, 0),
    kept,
    live,
    healed: (well ?? Date.now()) - over,
    wrong: told(wrong),
    others: told(others),
    othersShare: othersSeen / (kept + live),
  };
}

const told = (all: ReadonlyMap<string, number>): string[] => [...all].map(([what, n]) => `${what} (${n} times)`);

/** The table as it stands in docs/operations.md. */
export const table = (cells: readonly Cell[]): string =>
  [
    '| island | fault | samples | p50 ms | p99 ms | answers from what was kept | healed after ms |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...cells.map(
      (one) =>
        `| ${one.island} | ${one.fault} | ${one.samples} | ${one.p50} | ${one.p99} | ${one.kept} of ${one.kept + one.live} | ${one.healed} |`,
    ),
  ].join('\n');
