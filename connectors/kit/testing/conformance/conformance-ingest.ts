/** C14 of the suite: what comes in is acknowledged only after its commit, or nothing comes in at all. */
import { expect, test } from 'vitest';
import type { Database } from '../../../../schema/database/database.ts';
import type { AnyConnector, Services } from '../../connector.ts';
import type { Host } from '../../host/host.ts';
import type { World } from '../park/index.ts';
import type { Running, Simulator } from '../simulator.ts';
import { type freshDatabase, refuseCommits } from '../test-database.ts';
import { installationOf } from '../test-installation.ts';

/** Rows of the hub's database. */
type Sql = (text: string) => Promise<Record<string, unknown>[]>;

/** One way in, as the suite follows it. */
export interface Inflow {
  /** Kind of its events. */
  readonly kind: string;
  /** Which writes them; absent: `test`. */
  readonly installation?: string;
  /** The source has something new to tell. */
  happen(): Promise<unknown> | unknown;
  /** How many events that is, after it has happened and what was taken since; absent: one. */
  events?(): number;
  /** Brings in what is new; rejects when it was not acknowledged. */
  take(): Promise<unknown>;
  /** What the source, or our own cursor in it, counts as taken: it moves after the commit, or with it. */
  taken(): Promise<unknown> | unknown;
  /** Ends what was started for it. */
  close?(): Promise<unknown>;
}

/** Makes one ready, commits still succeeding. */
export type WayIn = (at: {
  running: Running;
  world: World;
  directory: string;
  host: Host;
  database: Database;
  sql: Sql;
}) => Inflow | Promise<Inflow>;

/** Every way in, by its name (of the job, or `webhook`); the suite holds the connector to having no other. */
export interface WaysIn {
  readonly inflow: Readonly<Record<string, WayIn>>;
  /** Jobs that bring no event in: they read all there is each time, or look only at what is kept. */
  readonly copies?: readonly string[];
}

/** What the suite has once it runs. */
interface Lent {
  readonly running: Running;
  readonly world: World;
  readonly directory: string;
  readonly host: Host;
  readonly database: Awaited<ReturnType<typeof freshDatabase>>;
  /** Settings of the installation `test`. */
  readonly raw: Record<string, unknown>;
}

export function inflowChecks(
  { inflow, copies = [], connector }: WaysIn & { connector: AnyConnector },
  lent: () => Lent,
): void {
  for (const [name, way] of Object.entries(inflow))
    test(`C14 ${name}: acknowledged only after commit: what could not be committed comes again, once`, async () => {
      const { database } = lent();
      const sql: Sql = (text) => database.plain.query(text);
      const one = await way({ ...lent(), sql });
      const events = async () =>
        Number(
          (
            await sql(
              `SELECT count(*) FROM event WHERE kind = '${one.kind}' AND installation = '${one.installation ?? 'test'}'`,
            )
          )[0]?.['count'],
        );
      const more = () => one.events?.() ?? 1;
      try {
        await one.take().catch(() => undefined);
        const before = { events: await events(), taken: await one.taken() };
        // First, since the host's own job may come sooner than ours.
        const allow = await refuseCommits(database);
        try {
          await one.happen();
          // Often enough that nobody's patience with a bad item may be taken for our own trouble.
          for (let n = 0; n < 7; n++) await expect(one.take()).rejects.toThrow();
          expect({ events: await events(), taken: await one.taken() }).toEqual(before);
        } finally {
          await allow();
        }
        await one.take();
        expect(more()).toBeGreaterThan(0);
        expect(await events()).toBe(before.events + more());
        expect(await one.taken()).not.toEqual(before.taken);
        await one.take();
        expect(await events()).toBe(before.events + more());
      } finally {
        await one.close?.();
      }
    }, 60_000);

  test('C14 there is no other way in: each job and the webhook are shown above, or bring no event', async () => {
    const { host, database, raw } = lent();
    const { settings } = installationOf(connector, 'test', raw);
    const opened = await connector.open(settings, host.services('test') as Services);
    const names = [...(opened.jobs ?? []).map((job) => job.name), ...(opened.webhook ? ['webhook'] : [])];
    await opened.close();
    expect(names.filter((name) => !Object.hasOwn(inflow, name))).toEqual(copies);
    // Other jobs of the installation go on meanwhile: only their own kinds of event may come.
    const kinds = async () => {
      const found = await database.plain.query("SELECT DISTINCT kind FROM event WHERE installation = 'test'");
      return found.map((row: { kind: string }) => row.kind).sort();
    };
    const before = await kinds();
    for (const job of copies) await host.runJob('test', job);
    expect((await kinds()).filter((kind: string) => !before.includes(kind) && kind !== 'SOURCE_STATE_CHANGED')).toEqual(
      [],
    );
  });

  if (Object.keys(inflow).length === 0)
    test('C14 nothing comes in: no event of its own', async () => {
      const { database } = lent();
      const told = await database.plain.query(
        "SELECT DISTINCT kind FROM event WHERE installation = 'test' AND kind <> 'SOURCE_STATE_CHANGED'",
      );
      expect(told).toEqual([]);
    });
}

/** The simulator with a clock that stands until it is moved, in milliseconds. */
export function standing(simulator: Simulator): Simulator & { move(time: number): Date } {
  let now = Date.now();
  return {
    name: simulator.name,
    start: (options) => simulator.start({ ...options, now: () => new Date(now) }),
    move: (time) => {
      now += time;
      return new Date(now);
    },
  };
}

/** A list that is polled, whose rows become events; `happen` answers how many rows are new, other or gone. */
export function polled(job: string, happen: () => Promise<number> | number): WayIn {
  return ({ host, sql }) => {
    let events = 0;
    return {
      kind: 'RECORD_CHANGED',
      happen: async () => {
        events = await happen();
      },
      events: () => events,
      take: () => host.runJob('test', job),
      taken: async () => await sql(`SELECT value FROM state WHERE installation = 'test' AND name = '${job}'`),
    };
  };
}
