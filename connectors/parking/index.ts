import type { Connector } from '../kit/connector.ts';
import { graph } from './graph/index.ts';
import { type ParkingSettings, parkingSettings } from './settings.ts';
import { ParkingSource } from './source/index.ts';
import type { ParkingRequest } from './source/request-loaders.ts';

const HOUR = 3_600_000;
const GATES = ['VEHICLE_ENTERED', 'VEHICLE_EXITED'] as const;

/** Car parks of a vendor with an APDS interface: lots, sessions, permits, and gate events. */
const parking: Connector<ParkingSettings, ParkingRequest> = {
  name: 'parking',
  settings: parkingSettings,
  graph,
  // Claimed from all contracts, all past sessions, and each new session.
  claims: { COMPANY: 'after-sync', VEHICLE: 'after-sync' },
  protocol: () => 'apds',
  cacheAges: () => ({
    ParkingLot: { fresh: 2_000, usable: HOUR, durable: true, changedBy: [...GATES, 'OCCUPANCY_CHANGED'] },
    ParkingSession: { fresh: 1_000, usable: HOUR, durable: true, changedBy: GATES },
    ParkingPermit: { fresh: 2_000, usable: 24 * HOUR, durable: true },
  }),
  open: async (settings, services) => {
    const source = new ParkingSource(settings, services);
    let closed: Promise<void> | undefined;
    return {
      request: (call) => source.request(call),
      check: (call) => source.check(call),
      drift: (call) => source.drift(call),
      lag: () => source.lag(),
      webhook: (request) => source.webhook(request),
      webhookRequirements: source.webhookNeeds,
      jobs: source.jobs,
      close: () => {
        closed ??= source.close();
        return closed;
      },
    };
  },
};

export default parking;
