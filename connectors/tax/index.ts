import type { Connector } from '../kit/connector.ts';
import { taxGraph } from './graph/index.ts';
import { type TaxSettings, taxSettings } from './settings.ts';
import { FileDrop } from './source/files.ts';
import { type Installation, TaxSource } from './source/index.ts';
import { Drop } from './source/sftp.ts';

/** Standing, returns and invoices, as the tax office's files tell them. */
const tax: Connector<TaxSettings, TaxSource> = {
  name: 'tax',
  settings: taxSettings,
  graph: taxGraph,
  protocol: () => 'sftp',
  async open(settings, services) {
    if (settings.password === null && settings.privateKey === null) {
      throw new Error("The tax office's drop needs a password or a privateKey; isthmus.yaml gives neither.");
    }
    const drop = new Drop(settings);
    const at: Installation = { settings, services, drop };
    const files = new FileDrop(at);
    return {
      request: (call) => new TaxSource(at, call),
      check: async (call) => {
        await services.guard.read(call, { operation: 'check' }, (signal) => drop.ping(signal));
      },
      drift: () => files.drift(),
      lag: () => files.lag(),
      jobs: files.jobs,
      close: () => drop.close(),
    };
  },
};

export default tax;
