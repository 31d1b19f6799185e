import type { Connector } from '../kit/connector.ts';
import { openVendorDatabase } from '../kit/protocols/sql.ts';
import { accessGraph } from './graph/index.ts';
import { type AccessSettings, accessSettings } from './settings.ts';
import { columns, driftOf } from './source/expected.ts';
import { AccessSource, contextOf, type Installation } from './source/index.ts';
import { LogPoll } from './source/poll.ts';
import { ping } from './source/statements.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** What the log tells of doors and those who pass. */
const PASSAGES = ['ACCESS_GRANTED', 'ACCESS_DENIED', 'DOOR_STATE_CHANGED'] as const;

/** Doors, badges and who is inside, read from the door system's own database. */
const accessControl: Connector<AccessSettings, AccessSource> = {
  name: 'access-control',
  settings: accessSettings,
  graph: accessGraph,
  protocol: () => 'sql',
  keeps: () => ({
    Door: { fresh: 30_000, usable: 30 * DAY, durable: true },
    Badge: { fresh: 5_000, usable: DAY, durable: true },
    DoorState: { fresh: 1_000, usable: HOUR, durable: true, changedBy: PASSAGES },
    AccessEvent: { fresh: 1_000, usable: DAY, changedBy: PASSAGES },
    Presence: { fresh: 1_000, usable: HOUR, durable: true, changedBy: PASSAGES },
  }),
  async open(settings, services) {
    const database = await openVendorDatabase(settings.url, settings.timeout);
    const at: Installation = { settings, services, database, context: contextOf(settings, services) };
    const poll = new LogPoll(at);
    return {
      request: (call) => new AccessSource(at, call),
      check: async (call) => {
        await services.guard.read(call, { operation: 'check' }, (signal) =>
          database.select(ping.sql, ping.values, signal),
        );
      },
      drift: async (call) => {
        const { value } = await services.guard.read(call, { operation: 'check' }, (signal) =>
          database.select(columns.sql, columns.values, signal),
        );
        return driftOf(value);
      },
      lag: () => poll.lag(),
      jobs: poll.jobs,
      close: () => database.close(),
    };
  },
};

export default accessControl;
