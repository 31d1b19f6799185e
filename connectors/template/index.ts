import type { Values } from '../kit/config/settings.ts';
import type { Connector } from '../kit/connector.ts';
import { graph } from './graph.ts';
import { templateSettings } from './settings.ts';
import { type TemplateRequest, TemplateSource } from './source.ts';

/** The smallest working connector. Copy it with `npm run connector:new -- NAME`. */
const template: Connector<Values<typeof templateSettings>, TemplateRequest> = {
  name: 'template',
  settings: templateSettings,
  graph,
  protocol: () => 'rest',
  open: async (settings, services) => {
    const source = new TemplateSource(settings, services);
    let closed: Promise<void> | undefined;
    return {
      request: (call) => source.request(call),
      check: (call) => source.check(call),
      close: () => {
        closed ??= source.close();
        return closed;
      },
    };
  },
};

export default template;
