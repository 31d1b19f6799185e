import type { Connector } from '../kit/connector.ts';
import { graph } from './graph/index.ts';
import { parkingSettings } from './settings.ts';
import { type ParkingRequest, type ParkingSettings, ParkingSource } from './source/index.ts';

/** Car parks of a vendor that speaks APDS: lots, sessions, permits, and what its gates tell. */
const parking: Connector<ParkingSettings, ParkingRequest> = {
  name: 'parking',
  settings: parkingSettings,
  graph,
  protocol: () => 'apds',
  open: async (settings, services) => {
    const source = new ParkingSource(settings, services);
    let closed: Promise<void> | undefined;
    return {
      request: (call) => source.request(call),
      check: (call) => source.check(call),
      lag: () => source.lag(),
      webhook: (request) => source.webhook(request),
      jobs: source.jobs,
      close: () => {
        closed ??= source.close();
        return closed;
      },
    };
  },
};

export default parking;
