import type { Connector } from '../kit/connector.ts';
import { graph } from './graph.ts';
import { type RegistrationSettings, registrationSettings } from './settings.ts';
import { type RegistrationRequest, RegistrationSource } from './source/index.ts';

/** A company register behind an X-Road security server. */
const registration: Connector<RegistrationSettings, RegistrationRequest> = {
  name: 'registration',
  settings: registrationSettings,
  graph,
  // The register lists the companies of its district, and answers for any other code, too.
  claims: { COMPANY: 'partial' },
  protocol: () => 'x-road',
  cacheAges: () => ({
    Registration: {
      fresh: 10_000,
      usable: 30 * 86_400_000,
      durable: true,
      changedBy: ['REGISTRATION_CHANGED', 'CASE_CHANGED'],
    },
  }),
  open: async (settings, services) => {
    const source = new RegistrationSource(settings, services);
    let closed: Promise<void> | undefined;
    return {
      request: (call) => source.request(call),
      check: (call) => source.check(call),
      drift: (call) => source.drift(call),
      jobs: source.jobs,
      close: () => {
        closed ??= source.close();
        return closed;
      },
    };
  },
};

export default registration;
