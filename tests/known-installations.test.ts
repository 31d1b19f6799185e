/** A query for one company costs the same however many parks there are, and a park that is down concerns only its own companies. */
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { explorerOperation, type GraphqlResponse, startTestHub, type TestHub, waitFor } from './test-hub.ts';

const company360 = explorerOperation('Company360');
const DAY = { from: '2026-03-01T00:00:00Z', to: '2026-03-02T00:00:00Z' };
/** Statements that the hub runs for itself, whatever clients do: writes, and reads of what jobs, leases and the event log need. */
const BACKGROUND =
  /\b(INSERT|UPDATE|DELETE|lease|source|hub_process|connector_outage|audit\w*|kept|event_head|event|state|mutation|register_entry|current_database)\b|SELECT DISTINCT company FROM tax_invoice|^(START|COMMIT|ROLLBACK|LISTEN|SET|SELECT 1$)/i;

interface Yaml {
  readonly parks: readonly { readonly id: string; readonly name: string }[];
  readonly installations: readonly { readonly id: string; readonly park: string; readonly connector: string }[];
}

/**
 * Adds parks up to `count`. Their parking systems and registers are those of the second park, whose companies are then known in all of
 * them, and those of the first only there.
 */
function withParks(text: string, count: number): string {
  const { parks, installations, ...rest } = parse(text) as Yaml;
  const repeated = installations.filter(
    ({ park, connector }) => park === 'riverside' && ['parking', 'registration', 'access-control'].includes(connector),
  );
  const added = Array.from({ length: Math.max(count - parks.length, 0) }, (_, i) => `park${i + 3}`);
  return stringify({
    ...rest,
    parks: [...parks, ...added.map((id) => ({ id, name: id, region: '500112', buildings: [] }))],
    installations: [
      ...installations,
      ...added.flatMap((park, i) =>
        repeated
          // All of them have a register; a few door and parking systems are enough, which read much when they start.
          .filter(({ connector }) => connector === 'registration' || i < 3)
          .map(({ id, ...settings }) => ({
            ...{ ...settings, id: id.replace('riverside', park), park },
            ...(settings.connector === 'parking' ? { callback: undefined } : {}),
          })),
      ),
    ],
  });
}

/** Resolves when every installation has claimed all that it knows. */
async function allClaimed({ hub }: TestHub): Promise<void> {
  const ids = (system: string) =>
    hub
      .sources()
      .filter((source) => source.system === system)
      .map(({ id }) => id);
  const rows = async (sql: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> =>
    hub.database.plain.query(sql, [...values]);
  await waitFor('all polls of sessions', 120, async () => {
    const found = await rows("SELECT 1 FROM state WHERE name = 'sessions' AND installation = ANY($1)", [
      ids('parking'),
    ]);
    return found.length === ids('parking').length;
  });
  const parking = hub.registry.hosts().find(({ name }) => name === 'parking');
  await waitFor('all past sessions', 120, async () => {
    const read = await rows(
      "SELECT installation FROM state WHERE name = 'session history' AND value->>'before' IS NULL",
    );
    const missing = ids('parking').filter((id) => !read.some(({ installation }) => installation === id));
    for (const id of missing) await parking?.runJob(id, 'poll past sessions');
    return missing.length === 0;
  });
  await waitFor('all claims', 120, async () => {
    const complete = await rows("SELECT 1 FROM state WHERE name = 'claims complete'");
    const registers = await rows(
      "SELECT DISTINCT installation FROM identity WHERE entity = 'COMPANY' AND connector = 'registration'",
    );
    return (
      complete.length === ids('parking').length + ids('access-control').length &&
      registers.length === ids('registration').length
    );
  });
}

/** Which calls to sources and which statements in the hub's database the work costs. */
async function costOf(work: () => Promise<GraphqlResponse>) {
  const statements: string[] = [];
  const query = pg.Client.prototype.query;
  const counting = function (this: pg.Client, ...given: unknown[]): unknown {
    const [config] = given as [string | { text?: string }];
    const text = typeof config === 'string' ? config : (config?.text ?? '');
    if (!BACKGROUND.test(text)) statements.push(text.replaceAll(/\s+/g, ' ').slice(0, 100));
    return (query as (...all: unknown[]) => unknown).apply(this, given);
  };
  const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(counting as never);
  try {
    const response = await work();
    expect(response.errors).toBeUndefined();
    const { estimated, actual } = response.extensions.cost;
    return { response, calls: actual.calls as Record<string, number>, estimated, statements: statements.sort() };
  } finally {
    spy.mockRestore();
  }
}

const ask = (testHub: TestHub, uscc: string) =>
  testHub.query(company360, { uscc, ...DAY }, { extensions: { cost: true } });

let testHub: TestHub | undefined;
const start = async (parks: number): Promise<TestHub> => {
  testHub = await startTestHub('embedded', {
    quiet: true,
    ...(parks > 1 ? { secondPark: 'riverside', settings: (text: string) => withParks(text, parks) } : {}),
  });
  await allClaimed(testHub);
  const { hub, world, query } = testHub;
  const runJob = (connector: string, installation: string, job: string) =>
    hub.registry
      .hosts()
      .find(({ name }) => name === connector)
      ?.runJob(installation, job);
  await waitFor('tax files and readings of the company', 120, async () => {
    // A quiet hub polls only once by itself.
    await runJob('tax', 'lakeside-tax', 'drop');
    await runJob('energy', 'lakeside-meters', 'poll meters');
    const { data } = await query(
      'query ($uscc: USCC!) { company(uscc: $uscc) { tax { lastFiling { period } provenance { stale } } meters { nodes { latest { time } } } } }',
      { uscc: world.companies[0]?.uscc },
    );
    const { tax, meters } = data.company;
    return tax?.lastFiling && !tax.provenance.stale && meters.nodes.some(({ latest }: { latest: unknown }) => latest);
  });
  return testHub;
};

describe('cost of a company', () => {
  afterEach(() => testHub?.close());

  test('known installations: a company costs the same calls and statements in a hub of 3 parks and of 48', async () => {
    const costs = [];
    // With one parking system no look-up tells which one knows a vehicle.
    for (const parks of [3, 48]) {
      const hub = await start(parks);
      const [first, second] = hub.world.companies;
      // The first operation reads the states of the installations.
      await ask(hub, second?.uscc as string);
      costs.push(await costOf(() => ask(hub, first?.uscc as string)));
      if (parks === 3) await hub.close();
    }
    const [one, many] = costs as [(typeof costs)[0], (typeof costs)[0]];
    expect(many.calls).toEqual(one.calls);
    expect(many.statements).toEqual(one.statements);
    expect(Object.keys(one.calls).sort()).toEqual(['lakeside-access', 'lakeside-parking', 'lakeside-register']);
    // The estimate is by system and holds for each of its installations.
    for (const [installation, system] of Object.entries({
      'lakeside-access': 'access-control',
      'lakeside-register': 'registration',
    }))
      expect(many.calls[installation]).toBeLessThanOrEqual(many.estimated.calls[system]);
    expect(many.statements.filter((text) => text.includes('AS installations FROM identity'))).toHaveLength(2);
  }, 400_000);
});

describe('a park that is down', () => {
  let hub: TestHub;
  beforeAll(async () => {
    hub = await start(4);
    await waitFor('current data of the first park', 120, async () => {
      const { errors, extensions } = await ask(hub, hub.world.companies[1]?.uscc as string);
      return errors === undefined && extensions.sources === undefined;
    });
  }, 200_000);
  afterAll(() => hub?.close());

  test('known installations: with other parks down, a company is complete and not stale, and nothing of them is called', async () => {
    for (const name of ['access-control', 'parking', 'registration', 'tax', 'energy'])
      await hub.stopSimulator(`riverside/${name}`);
    const down = hub.hub.sources().filter(({ id }) => !id.startsWith('lakeside'));
    await Promise.all(
      hub.hub.registry
        .hosts()
        .flatMap((host) => down.filter(({ system }) => system === host.name).map(({ id }) => host.check(id))),
    );
    const { response, calls } = await costOf(() => ask(hub, hub.world.companies[0]?.uscc as string));
    expect(Object.keys(calls).filter((id) => !id.startsWith('lakeside'))).toEqual([]);
    expect(response.extensions.sources).toBeUndefined();
    const { company } = response.data;
    expect(company).toMatchObject({
      registration: { provenance: { source: 'lakeside-register', stale: false } },
      presence: { provenance: { source: 'lakeside-access', stale: false } },
      tax: { provenance: { source: 'lakeside-tax', stale: false } },
    });
    expect(company.vehicles.nodes.length).toBeGreaterThan(0);
  });

  test('known installations: the companies of the parks that are down are reported as such', async () => {
    const uscc = hub.secondWorld?.companies[0]?.uscc as string;
    const answer = await ask(hub, uscc);
    expect(answer.errors?.length).toBeGreaterThan(0);
    const named = (answer.extensions.sources as { source: string }[]).map(({ source }) => source);
    expect(named).toContain('riverside-parking');
    expect(named).toContain('park3-parking');
    expect(named.filter((id) => id.startsWith('lakeside-parking') || id.startsWith('lakeside-access'))).toEqual([]);
  });

  test('known installations: a company that no installation knows has an empty list with the reads that prove it', async () => {
    const unknown = '91350100M000100Y43';
    const parking = hub.hub.registry.hosts().find(({ name }) => name === 'parking');
    const services = parking?.services('lakeside-parking');
    const tax = hub.hub.registry
      .hosts()
      .find(({ name }) => name === 'tax')
      ?.services('lakeside-tax');
    await tax?.transaction((tx) =>
      tax.identify(tx, [{ entity: 'COMPANY', key: unknown, system: 'taxpayer-no', value: unknown }]),
    );
    expect(services).toBeDefined();
    const { data, errors } = await hub.query(
      `{ company(uscc: "${unknown}") { vehicles { totalCount nodes { id } provenance { stale parts { source } } } } }`,
    );
    expect(errors).toBeUndefined();
    expect(data.company.vehicles).toMatchObject({ totalCount: 0, nodes: [], provenance: { stale: true } });
    const parts: { source: string }[] = data.company.vehicles.provenance.parts;
    expect(parts.map(({ source }) => source).sort()).toEqual(
      hub.hub
        .sources()
        .filter(({ system }) => system === 'parking')
        .map(({ id }) => id)
        .sort(),
    );
  });
});
