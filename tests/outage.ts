/** Measures responses while sources fail: used by the sample in `npm test` and by the full matrix of `npm run test:chaos`. */
import type { Fault } from '../connectors/kit/testing/chaos-proxy.ts';
import { watchEventLoop } from './stall-monitor.ts';
import { explorerOperation, type GraphqlResponse, type TestHub, waitFor } from './test-hub.ts';

/**
 * For each connector: the field of its values in Company360, the sources that must be named, the maximum age of a fresh value (in
 * milliseconds at full scale; null for a mirror, which stays fresh for long), and the faults that may be harmless: the length or id of
 * a response identifies it, or it is short enough to arrive in time byte by byte. For those, only that the fault was applied is
 * checked.
 */
interface ConnectorExpectation {
  readonly field: string;
  readonly sources: RegExp;
  readonly fresh: number | null;
  readonly harmless: readonly Fault[];
}
export const CONNECTORS: Readonly<Record<string, ConnectorExpectation>> = {
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
/** Minimum number of responses marked stale. */
const MIN_STALE_RESPONSES = 10;
/** Milliseconds that a stall of the machine may add to the age of a value. */
const AGE_SLACK = 2_000;

/** Scales all times in the demo's settings; 1 is what a user gets. */
export const scaleTimes =
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
    const cacheSettings = Object.entries({ ...fresh, ...more }).map(([type, age]) => `${type}: { fresh: ${ms(age)} }`);
    const guard = `guard: { serveStaleAfter: ${ms(1_000)}, openDuration: ${ms(2_000)}, checkUp: ${ms(5_000)}, checkDown: ${ms(2_000)}, checkTime: ${ms(2_000)}, keep: { ${cacheSettings} } }`;
    const timed = text.replace(
      /^( +)connector: (access-control|parking|registration|energy)$/gm,
      `$1connector: $2\n$1timeout: ${ms(2_000)}`,
    );
    return `${timed}\ndeadline: ${ms(3_000)}\n${guard}\n`;
  };

export interface OutageResult {
  readonly source: string;
  readonly fault: string;
  readonly samples: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** The same without the time this process was busy: the time the response waited for sources. */
  readonly waitMs: { readonly p50: number; readonly p99: number };
  /** How often the fault affected a connection. */
  readonly faultCount: number;
  /** Number of Company360 responses with stale values of the source, and with fresh ones. */
  readonly staleResponses: number;
  readonly freshResponses: number;
  /** Milliseconds from the end of the fault until nothing is marked stale. */
  readonly recoveredMs: number;
  /** Violations; empty when there are none. */
  readonly violations: readonly string[];
  /** Healthy sources that were marked stale, and the share of responses in which that happened. */
  readonly healthyMarked: readonly string[];
  readonly healthyMarkedShare: number;
}

const span = () => ({
  from: new Date(Date.now() - 86_400_000).toISOString(),
  to: new Date(Date.now() + 3_600_000).toISOString(),
});

export const queryCompany360 = (testHub: TestHub, uscc: string): Promise<GraphqlResponse> =>
  testHub.query(explorerOperation('Company360'), { uscc, ...span() }, { extensions: { provenance: true } });
export const queryParkNow = (testHub: TestHub): Promise<GraphqlResponse> =>
  testHub.query(explorerOperation('ParkNow'), { id: 'lakeside' });

/** True if nothing is marked stale and nothing fails. */
export const isHealthy = async (testHub: TestHub, uscc: string): Promise<boolean> => {
  const [company, park] = await Promise.all([queryCompany360(testHub, uscc), queryParkNow(testHub)]);
  return !company.errors && !park.errors && !company.extensions?.sources && !park.extensions?.sources;
};

/** Violations in one response to a query sent at `sentAt` while the connectors `failing` fail. */
function violationsOf(
  answer: GraphqlResponse,
  sentAt: number,
  failing: readonly string[],
  scale: number,
): { wrong: string[]; others: string[] } {
  const wrong: string[] = [];
  const others: string[] = [];
  const company = answer.data?.company;
  if (answer.errors)
    wrong.push(`errors: ${answer.errors.map((error) => `${error.path?.join('.')} ${error.extensions['code']}`)}`);
  for (const [name, { field, sources, fresh }] of Object.entries(CONNECTORS)) {
    if (company?.[field] === null || company?.[field] === undefined) {
      wrong.push(`${name} returns no value`);
      continue;
    }
    for (const one of answer.extensions?.provenance ?? []) {
      if (one.path[1] !== field || !sources.test(one.source)) continue;
      const marked = answer.extensions?.sources?.some((source: { source: string }) => source.source === one.source);
      if (one.stale && !marked) wrong.push(`${one.source} is stale and not named`);
      const age = sentAt - Date.parse(one.fetchedAt);
      if (!one.stale && fresh !== null && age > fresh * scale + AGE_SLACK)
        wrong.push(`a value of ${one.source} is too old to be called fresh`);
      if (one.stale && !failing.includes(name)) others.push(`${one.source} is stale, but only ${failing} fails`);
    }
  }
  // `age` in the response must be the time since `fetchedAt` at some moment between request and response.
  const reported = company?.registration?.provenance;
  const proof = (answer.extensions?.provenance ?? []).find(
    (one: { path: unknown[] }) => one.path.join() === 'company,registration',
  );
  if (reported && proof) {
    const age = seconds(reported.age);
    const since = (moment: number) => (moment - Date.parse(proof.fetchedAt)) / 1_000;
    if (age < since(sentAt) - 1 || age > since(Date.now()) + 1) wrong.push('age is not the time since fetchedAt');
  }
  return { wrong, others };
}

/** Seconds of an ISO 8601 duration of days and less. */
export function seconds(duration: string): number {
  const [, d, h, m, s] = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$/.exec(duration) ?? [];
  return Number(d ?? 0) * 86_400 + Number(h ?? 0) * 3_600 + Number(m ?? 0) * 60 + Number(s ?? 0);
}

/** Applies the fault for at least `samples` responses and `milliseconds`, then waits until everything has recovered. */
export async function measureOutage(
  testHub: TestHub,
  uscc: string,
  failing: readonly string[],
  fault: Fault,
  options: {
    readonly scale: number;
    readonly samples: number;
    readonly milliseconds: number;
    readonly recovery: number;
    /** How long everything must be healthy to count as recovered, in milliseconds. */
    readonly steady: number;
  },
): Promise<OutageResult> {
  const times: number[] = [];
  const waits: number[] = [];
  const loop = watchEventLoop();
  const wrong = new Map<string, number>();
  const others = new Map<string, number>();
  const note = (what: Map<string, number>, all: readonly string[]) => {
    for (const one of new Set(all)) what.set(one, (what.get(one) ?? 0) + 1);
  };
  const first = CONNECTORS[failing[0] as string] as (typeof CONNECTORS)[string];
  let staleResponses = 0;
  let freshResponses = 0;
  let othersSeen = 0;
  const harmed = failing.filter((connector) => !CONNECTORS[connector]?.harmless.includes(fault));
  await Promise.all(failing.map((connector) => testHub.setFault(connector, fault)));
  const end = Date.now() + options.milliseconds;
  // Values with a long freshness become stale only later, so wait for them.
  const latest = end + 20_000 * options.scale + AGE_SLACK;
  const unseen = () => harmed.length > 0 && staleResponses < MIN_STALE_RESPONSES && Date.now() < latest;
  while (times.length < options.samples || Date.now() < end || unseen()) {
    const timed = async (send: () => Promise<GraphqlResponse>): Promise<GraphqlResponse> => {
      const started = performance.now();
      const before = loop.busyMs();
      const answer = await send();
      const time = performance.now() - started;
      times.push(time);
      waits.push(Math.max(time - (loop.busyMs() - before), 0));
      return answer;
    };
    const sentAt = Date.now();
    const [company, park] = await Promise.all([
      timed(() => queryCompany360(testHub, uscc)),
      timed(() => queryParkNow(testHub)),
    ]);
    const found = violationsOf(company, sentAt, failing, options.scale);
    note(wrong, found.wrong);
    if (found.others.length > 0) othersSeen++;
    note(others, found.others);
    if (park.errors || !park.data?.park?.lots || park.data.park.buildings[0].peopleInside === undefined) {
      note(wrong, [`ParkNow: ${park.errors?.map((error) => `${error.path?.join('.')} ${error.extensions['code']}`)}`]);
    }
    const named = company.extensions?.sources?.some((source: { source: string }) => first.sources.test(source.source));
    if (named) staleResponses++;
    else freshResponses++;
  }
  const faultCounts = failing.map((connector) => testHub.faultCount(connector));
  if (staleResponses === 0 && harmed.length > 0) note(wrong, [`no value of ${failing} was ever marked stale`]);
  // With 'refused' there are no connections to count; only the stale mark shows the fault.
  if (fault !== 'refused' && faultCounts.includes(0)) note(wrong, [`${fault} never reached ${failing}`]);
  await Promise.all(failing.map((connector) => testHub.setFault(connector, null)));
  const over = Date.now();
  // Recovered means staying healthy: one good response may come from the cache, and a pool may still contain dead connections.
  let well: number | null = null;
  await waitFor(`${failing} recovers from ${fault}`, (options.recovery + options.steady) / 1_000, async () => {
    well = (await isHealthy(testHub, uscc)) ? (well ?? Date.now()) : null;
    return well !== null && Date.now() - well >= options.steady;
  }).catch((error: Error) => wrong.set(error.message, 1));
  loop.stop();
  const at = (all: number[], share: number) => {
    all.sort((a, b) => a - b);
    return Math.round(all[Math.min(Math.floor(all.length * share), all.length - 1)] ?? 0);
  };
  return {
    source: failing.join(', '),
    fault,
    samples: times.length,
    p50: at(times, 0.5),
    p99: at(times, 0.99),
    waitMs: { p50: at(waits, 0.5), p99: at(waits, 0.99) },
    faultCount: faultCounts.reduce((sum, one) => sum + one, 0),
    staleResponses: staleResponses,
    freshResponses: freshResponses,
    recoveredMs: (well ?? Date.now()) - over,
    violations: withCounts(wrong),
    healthyMarked: withCounts(others),
    healthyMarkedShare: othersSeen / (staleResponses + freshResponses),
  };
}

const withCounts = (all: ReadonlyMap<string, number>): string[] => [...all].map(([what, n]) => `${what} (${n} times)`);

/** The table for docs/operations.md. */
export const table = (cells: readonly OutageResult[]): string =>
  [
    '| source | failure | samples | p50 ms | p99 ms | stale responses | recovered after ms |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...cells.map(
      (cell) =>
        `| ${cell.source} | ${cell.fault} | ${cell.samples} | ${cell.p50} | ${cell.p99} | ${cell.staleResponses} of ${cell.staleResponses + cell.freshResponses} | ${cell.recoveredMs} |`,
    ),
  ].join('\n');
