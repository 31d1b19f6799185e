/** The hub's database on Debian's PostgreSQL: every migration up and down, and the event log in commit order. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import hub from '../../connectors/hub/index.ts';
import { HUB_INSTALLATION } from '../../connectors/index.ts';
import { Host } from '../../connectors/kit/host/host.ts';
import { hubCall, loadKeys } from '../../connectors/kit/host/services.ts';
import { silentLog } from '../../connectors/kit/log.ts';
import { migrations } from '../../migrations/index.ts';
import { migrate, migrateDown, SchemaVersionError } from '../../migrations/migrate.ts';
import { type Database, openDatabase } from '../../schema/database/database.ts';

describe("the hub on Debian's PostgreSQL", () => {
  let database: Database;

  beforeAll(async () => {
    const server = process.env['SERVICES_DATABASE_URL'];
    if (!server) throw new Error('SERVICES_DATABASE_URL is not set: run npm run test:services.');
    const client = new pg.Client({ connectionString: server });
    await client.connect();
    await client.query('CREATE DATABASE hub');
    await client.end();
    database = await openDatabase(server.replace('/postgres', '/hub'), { poolSize: 8 });
  });
  afterAll(() => database?.close());

  test('applies, reverts and reapplies every migration; rejects a newer database without changes', async () => {
    expect(await migrate(database.source)).toHaveLength(migrations.length);
    expect(await migrate(database.source)).toEqual([]);
    for (const _ of migrations) expect(await migrateDown(database.source)).not.toBeNull();
    expect(await migrateDown(database.source)).toBeNull();
    expect(await migrate(database.source)).toHaveLength(migrations.length);
    await database.plain.query(
      "INSERT INTO schema_migration (timestamp, name) VALUES (999, 'FromTheFuture0000000000999')",
    );
    await expect(migrate(database.source)).rejects.toThrow(SchemaVersionError);
    await database.plain.query('DELETE FROM schema_migration WHERE timestamp = 999');
  });

  test('numbers events in commit order without gaps, with concurrent writers', async () => {
    const host = await Host.open({
      connector: hub,
      installations: [HUB_INSTALLATION],
      parks: [],
      database,
      keys: await loadKeys(database),
      log: silentLog,
    });
    const services = host.services('hub');
    if (!services) throw new Error('the hub has no services');
    const emit = (id: string, wait = 0) =>
      services.transaction(async (tx) => {
        await services.emit(tx, [{ foreignId: id, kind: 'VEHICLE_ENTERED', time: new Date() }]);
        await new Promise((resolve) => setTimeout(resolve, wait));
      });
    await Promise.all(Array.from({ length: 60 }, (_, i) => emit(`e${i % 50}`, i % 7)));
    const answer = await host.subgraph.execute({
      query: '{ events(first: 100) { nodes { id } totalCount } }',
      variables: {},
      call: hubCall(5_000, new AbortController().signal),
    });
    expect(answer.errors).toBeUndefined();
    expect((answer.data as { events: { totalCount: number } }).events.totalCount).toBe(50);
    const rows: { position: string }[] = await database.plain.query('SELECT position FROM event ORDER BY position');
    expect(rows.map((row) => Number(row.position))).toEqual(rows.map((_, i) => i + 1));
    await host.close();
  });
});
