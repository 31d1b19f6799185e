import type { Connector } from '../kit/connector.ts';
import { graph } from './graph/index.ts';
import { type EnergySettings, energySettings } from './settings.ts';
import { type EnergyRequest, EnergySource } from './source/index.ts';

/** Meters behind Modbus TCP gateways and MQTT brokers. */
const energy: Connector<EnergySettings, EnergyRequest> = {
  name: 'energy',
  settings: energySettings,
  graph,
  // Claimed with the meters; requests read the hub's tables, in which the meters name their companies.
  claims: { COMPANY: 'always' },
  protocol: (settings) => (settings.url.startsWith('modbus:') ? 'modbus' : 'mqtt'),
  open: async (settings, services) => {
    const source = new EnergySource(settings, services);
    let closed: Promise<void> | undefined;
    return {
      request: (call) => source.request(call),
      check: (call) => source.check(call),
      drift: async () => source.drift(),
      deliveryProblem: () => source.deliveryProblem(),
      lag: () => source.lag(),
      jobs: source.jobs,
      close: () => {
        closed ??= source.close();
        return closed;
      },
    };
  },
};

export default energy;
