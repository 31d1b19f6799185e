import type { Connector } from '../kit/connector.ts';
import { openVendorDatabase } from '../kit/protocols/sql.ts';
import { accessGraph } from './graph/index.ts';
import { type AccessSettings, accessSettings } from './settings.ts';
import { columnsQuery, findColumnDrift } from './source/column-drift.ts';
import { directoryJob } from './source/directory-sync.ts';
import { AccessSource } from './source/index.ts';
import { type AccessInstallation, mappingContext } from './source/installation.ts';
import { LogPoller } from './source/log-poller.ts';
import { ping } from './source/statements.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Events that the door system's log produces. */
const LOG_EVENTS = ['ACCESS_GRANTED', 'ACCESS_DENIED', 'DOOR_STATE_CHANGED'] as const;

/** Doors, badges and presence, read from the door system's own database. */
const accessControl: Connector<AccessSettings, AccessSource> = {
  name: 'access-control',
  settings: accessSettings,
  graph: accessGraph,
  protocol: () => 'sql',
  // The directory job claims all tenants.
  claims: { COMPANY: 'after-sync' },
  cacheAges: () => ({
    Door: { fresh: 30_000, usable: 30 * DAY, durable: true },
    Badge: { fresh: 5_000, usable: DAY, durable: true },
    DoorState: { fresh: 1_000, usable: HOUR, durable: true, changedBy: LOG_EVENTS },
    AccessEvent: { fresh: 1_000, usable: DAY, changedBy: LOG_EVENTS },
    Presence: { fresh: 1_000, usable: HOUR, durable: true, changedBy: LOG_EVENTS },
  }),
  async open(settings, services) {
    const database = await openVendorDatabase(settings.url, settings.timeout);
    const context = mappingContext(settings, services);
    const installation: AccessInstallation = { settings, services, database, context };
    const poller = new LogPoller(installation);
    return {
      request: (call) => new AccessSource(installation, call),
      check: async (call) => {
        await services.guard.read(call, { operation: 'check' }, (signal) =>
          database.select(ping.sql, ping.values, signal),
        );
      },
      drift: async (call) => {
        const { value } = await services.guard.read(call, { operation: 'check' }, (signal) =>
          database.select(columnsQuery.sql, columnsQuery.values, signal),
        );
        return findColumnDrift(value);
      },
      lag: () => poller.lag(),
      jobs: [poller.job, directoryJob(installation)],
      close: () => database.close(),
    };
  },
};

export default accessControl;
