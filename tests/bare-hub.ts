/** A hub without sources, whose event log the test writes itself. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { sourceConnectors } from '../connectors/index.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';
import { createLog, type Log } from '../connectors/kit/log.ts';
import { createTestDatabase } from '../connectors/kit/testing/test-database.ts';
import { type Hub, type HubOptions, startHub } from '../gateway/main.ts';
import type { Database } from '../schema/database/database.ts';
import { appendEvents, type EventInput } from '../schema/database/events/event-log.ts';

export const BARE_CONFIG = `
parks:
  - { id: lakeside, name: Lakeside, region: "500112" }
installations: []
anonymous: developer
`;
const BY = { installation: 'lakeside-parking', connector: 'parking', park: 'lakeside' };

/** Appends an OccupancyChanged event for each foreign id; `occupied` is its index. */
export const appendTestEvents = (database: Database, ids: readonly string[], more: Partial<EventInput> = {}) =>
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

/** All event ids in log order. */
export async function loggedEventIds(database: Database): Promise<string[]> {
  const rows: { id: string }[] = await database.plain.query('SELECT id FROM event ORDER BY position');
  return rows.map((row) => row.id);
}

/** The subscription most tests use; it reads only the log. */
export const EVENTS_SUBSCRIPTION = `subscription ($after: Cursor) {
  events(after: $after) {
    __typename
    ... on EventsBatch { cursor events { id } }
    ... on Gap { cursor reason fromTime toTime }
    ... on Lagged { cursor behind }
  }
}`;

export interface BareHub {
  readonly hub: Hub;
  readonly url: string;
  readonly socketUrl: string;
  readonly database: Awaited<ReturnType<typeof createTestDatabase>>;
  close(): Promise<void>;
}

/** `database`: an existing one, shared with another hub; `close` does not drop it. */
export async function startBareHub(
  options: { database?: BareHub['database']; log?: Log; port?: number; start?: Partial<HubOptions> } = {},
): Promise<BareHub> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-live-'));
  const database = options.database ?? (await createTestDatabase());
  const hub = await startHub({
    config: readConfig(BARE_CONFIG, 'isthmus.yaml', sourceConnectors, {}),
    host: '127.0.0.1',
    port: options.port ?? 0,
    data: directory,
    databaseUrl: database.url,
    log: options.log ?? createLog(() => undefined),
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

/** A WebSocket class that records its open sockets, so the test can kill them. */
export function killableSockets(): { WebSocket: typeof WebSocket; open: Set<WebSocket> } {
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
