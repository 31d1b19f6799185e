import type { Connector } from '../kit/connector.ts';
import { taxGraph } from './graph/index.ts';
import { type TaxSettings, taxSettings } from './settings.ts';
import { DropPoller } from './source/drop-poller.ts';
import { TaxSource } from './source/index.ts';
import type { Installation } from './source/installation.ts';
import { SftpDrop } from './source/sftp.ts';

/** Tax standing, returns and invoices from the tax office's files, and requests for tax clearance. */
const tax: Connector<TaxSettings, TaxSource> = {
  name: 'tax',
  settings: taxSettings,
  graph: taxGraph,
  // Claimed with the rows of each file, which is all that requests read.
  claims: { COMPANY: 'always' },
  protocol: () => 'sftp',
  async open(settings, services) {
    if (settings.password === null && settings.privateKey === null) {
      throw new Error(
        'Missing password or privateKey for the SFTP account of the tax office. Set one of them in isthmus.yaml.',
      );
    }
    const drop = new SftpDrop(settings);
    const installation: Installation = { settings, services, drop };
    const poller = new DropPoller(installation);
    return {
      request: (call) => new TaxSource(installation, call),
      check: async (call) => {
        await services.guard.read(call, { operation: 'check' }, (signal) => drop.ping(signal));
      },
      drift: () => poller.drift(),
      lag: () => poller.lag(),
      jobs: poller.jobs,
      close: () => drop.close(),
    };
  },
};

export default tax;
