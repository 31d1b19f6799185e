import type { Connector } from '../kit/connector.ts';
import { graph } from './graph/index.ts';
import { hubSettings } from './settings.ts';
import { type HubRequest, HubSource } from './source.ts';

/** The only installation of this connector; it needs no entry in isthmus.yaml. */
export const HUB_INSTALLATION = { id: 'hub', park: '', connector: 'hub', settings: {}, protocol: 'sql' } as const;

/** The hub's own records as a connector: parks, identities, events, sources, cases, consents, access log. */
const hub: Connector<object, HubRequest> = {
  name: 'hub',
  settings: hubSettings,
  graph,
  protocol: () => 'sql',
  open: async (_settings, services) => {
    const source = new HubSource(services);
    return {
      request: (call) => source.request(call),
      check: (call) => source.check(call),
      close: async () => undefined,
    };
  },
};

export default hub;
