/** Check C14 of the conformance suite: incoming data is acknowledged only after its commit. */
import { expect, test } from 'vitest';
import type { Database } from '../../../../schema/database/database.ts';
import type { AnyConnector } from '../../connector.ts';
import type { Host } from '../../host/host.ts';
import type { Services } from '../../services.ts';
import type { World } from '../park/index.ts';
import type { RunningSimulator, Simulator } from '../simulator.ts';
import { type createTestDatabase, failCommits } from '../test-database.ts';
import { installationConfig } from '../test-installation.ts';

/** Queries the hub's database. */
type Sql = (text: string) => Promise<Record<string, unknown>[]>;

/** One way in which events enter the hub: a job or the webhook. */
export interface IngestPath {
  /** Kind of its events. */
  readonly kind: string;
  /** Installation of the events; default `test`. */
  readonly installation?: string;
  /** Makes new data available at the source. */
  produce(): Promise<unknown> | unknown;
  /** Number of events that `produce` leads to; default one. */
  expectedEvents?(): number;
  /** Ingests the new data; rejects when it was not acknowledged. */
  ingest(): Promise<unknown>;
  /** What the source counts as acknowledged, or our cursor; it changes with the commit or after it. */
  progress(): Promise<unknown> | unknown;
  /** Stops what was started for it. */
  close?(): Promise<unknown>;
}

/** Prepares an ingest path while commits still succeed. */
export type CreateIngestPath = (at: {
  running: RunningSimulator;
  world: World;
  directory: string;
  host: Host;
  database: Database;
  sql: Sql;
}) => IngestPath | Promise<IngestPath>;

/** All ingest paths of a connector, by job name or `webhook`. The suite checks that there are no others. */
export interface IngestPaths {
  readonly ingest: Readonly<Record<string, CreateIngestPath>>;
  /** Jobs that create no events. */
  readonly jobsWithoutEvents?: readonly string[];
}

/** What the suite gives to the checks. */
interface IngestCheckContext {
  readonly running: RunningSimulator;
  readonly world: World;
  readonly directory: string;
  readonly host: Host;
  readonly database: Awaited<ReturnType<typeof createTestDatabase>>;
  /** Settings of the installation `test`. */
  readonly raw: Record<string, unknown>;
}

/** Defines the checks C14. `context` is called once the tests run. */
export function defineIngestChecks(
  { ingest: paths, jobsWithoutEvents = [], connector }: IngestPaths & { connector: AnyConnector },
  context: () => IngestCheckContext,
): void {
  for (const [name, createPath] of Object.entries(paths))
    test(`C14 ${name}: acknowledges only after commit, and ingests again, once, what was not committed`, async () => {
      const { database } = context();
      const sql: Sql = (text) => database.plain.query(text);
      const path = await createPath({ ...context(), sql });
      const installation = path.installation ?? 'test';
      const countEvents = async () => {
        const query = `SELECT count(*) FROM event WHERE kind = '${path.kind}' AND installation = '${installation}'`;
        return Number((await sql(query))[0]?.['count']);
      };
      const expectedEvents = () => path.expectedEvents?.() ?? 1;
      try {
        await path.ingest().catch(() => undefined);
        const before = { events: await countEvents(), progress: await path.progress() };
        // Before `produce`, because the host's own run of the job may come first.
        const allowCommits = await failCommits(database);
        try {
          await path.produce();
          // More often than a bad item would be retried, so that a failed commit is not taken for a bad item.
          for (let attempt = 0; attempt < 7; attempt++) await expect(path.ingest()).rejects.toThrow();
          expect({ events: await countEvents(), progress: await path.progress() }).toEqual(before);
        } finally {
          await allowCommits();
        }
        await path.ingest();
        expect(expectedEvents()).toBeGreaterThan(0);
        expect(await countEvents()).toBe(before.events + expectedEvents());
        expect(await path.progress()).not.toEqual(before.progress);
        await path.ingest();
        expect(await countEvents()).toBe(before.events + expectedEvents());
      } finally {
        await path.close?.();
      }
    }, 60_000);

  test('C14 covers every job and the webhook; the others create no events', async () => {
    const { host, database, raw } = context();
    const { settings } = installationConfig(connector, 'test', raw);
    const opened = await connector.open(settings, host.services('test') as Services);
    const names = [...(opened.jobs ?? []).map((job) => job.name), ...(opened.webhook ? ['webhook'] : [])];
    await opened.close();
    expect(names.filter((name) => !Object.hasOwn(paths, name))).toEqual(jobsWithoutEvents);
    // Other jobs of the installation run meanwhile: only kinds that exist already may be added.
    const eventKinds = async (): Promise<string[]> => {
      const rows = await database.plain.query("SELECT DISTINCT kind FROM event WHERE installation = 'test'");
      return rows.map((row: { kind: string }) => row.kind).sort();
    };
    const before = await eventKinds();
    for (const job of jobsWithoutEvents) await host.runJob('test', job);
    const added = (await eventKinds()).filter((kind) => !before.includes(kind) && kind !== 'SOURCE_STATE_CHANGED');
    expect(added).toEqual([]);
  });

  if (Object.keys(paths).length === 0)
    test('C14 a connector without ingest paths creates no events', async () => {
      const { database } = context();
      const rows = await database.plain.query(
        "SELECT DISTINCT kind FROM event WHERE installation = 'test' AND kind <> 'SOURCE_STATE_CHANGED'",
      );
      expect(rows).toEqual([]);
    });
}

/** The simulator with a clock that only moves by `advance` (milliseconds), which returns the new time. */
export function withManualClock(simulator: Simulator): Simulator & { advance(time: number): Date } {
  let now = Date.now();
  return {
    name: simulator.name,
    start: (options) => simulator.start({ ...options, now: () => new Date(now) }),
    advance: (time) => {
      now += time;
      return new Date(now);
    },
  };
}

/** A list that a job polls and whose changes become events. `produce` returns the number of new, changed and removed rows. */
export function polledList(job: string, happen: () => Promise<number> | number): CreateIngestPath {
  return ({ host, sql }) => {
    let events = 0;
    return {
      kind: 'RECORD_CHANGED',
      produce: async () => {
        events = await happen();
      },
      expectedEvents: () => events,
      ingest: () => host.runJob('test', job),
      progress: async () => await sql(`SELECT value FROM state WHERE installation = 'test' AND name = '${job}'`),
    };
  };
}
