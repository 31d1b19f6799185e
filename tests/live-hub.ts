/** A hub without islands, whose log the test writes itself: for what concerns events alone. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { islands } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import { type Log, makeLog } from '../connectors/kit/log.ts';
import { freshDatabase } from '../connectors/kit/testing/test-database.ts';
import { type Hub, type StartOptions, start } from '../gateway/main.ts';
import type { Database } from '../schema/database/database.ts';
import { appendEvents, type EventInput } from '../schema/database/events/event-log.ts';

export const LIVE_CONFIG = `
parks:
  - { id: lakeside, name: Lakeside, region: "500112" }
installations: []
anonymous: developer
`;
const BY = { installation: 'lakeside-parking', connector: 'parking', park: 'lakeside' };

/** Writes events with these foreign ids; each is an OccupancyChanged whose `occupied` is its number within the call. */
export const write = (database: Database, ids: readonly string[], more: Partial<EventInput> = {}) =>
  database.transaction((tx) =>
    appendEvents(
      tx,
      { ...BY, at: new Date() },
      ids.map((foreignId, occupied) => ({
        foreignId,
        time: new Date(),
        kind: 'OCCUPANCY_CHANGED',
        data: { occupied },
        ...more,
      })),
    ),
  );

/** Ids of the log, in order. */
export async function logged(database: Database): Promise<string[]> {
  const rows: { id: string }[] = await database.plain.query('SELECT id FROM event ORDER BY position');
  return rows.map((row) => row.id);
}

/** The subscription of the tests: nothing but the log itself. */
export const EVENTS = `subscription ($after: Cursor) {
  events(after: $after) {
    __typename
    ... on EventsBatch { cursor events { id } }
    ... on Gap { cursor reason fromTime toTime }
    ... on Lagged { cursor behind }
  }
}`;

export interface LiveHub {
  readonly hub: Hub;
  readonly url: string;
  readonly socketUrl: string;
  readonly database: Awaited<ReturnType<typeof freshDatabase>>;
  close(): Promise<void>;
}

/** `database`: one that another hub works on already; it is left to its owner. */
export async function liveHub(
  options: { database?: LiveHub['database']; log?: Log; port?: number; start?: Partial<StartOptions> } = {},
): Promise<LiveHub> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-live-'));
  const database = options.database ?? (await freshDatabase());
  const hub = await start({
    config: readConfig(LIVE_CONFIG, 'isthmus.yaml', islands, {}),
    host: '127.0.0.1',
    port: options.port ?? 0,
    data: directory,
    databaseUrl: database.url,
    log: options.log ?? makeLog(() => undefined),
    ...options.start,
  });
  return {
    hub,
    url: `${hub.url}/graphql`,
    socketUrl: `${hub.url.replace('http', 'ws')}/graphql`,
    database,
    close: async () => {
      await hub.stop();
      if (!options.database) await database.drop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A WebSocket class whose open sockets the test can kill. */
export function mortalSockets(): { WebSocket: typeof WebSocket; open: Set<WebSocket> } {
  const open = new Set<WebSocket>();
  class Mortal extends WebSocket {
    constructor(address: string | URL, protocols?: string | string[]) {
      super(address, protocols);
      open.add(this);
      this.on('close', () => open.delete(this));
    }
  }
  return { WebSocket: Mortal as typeof WebSocket, open };
}
