/** THE LIST: one line per connector. */
import accessControl from './access-control/index.ts';
import energy from './energy/index.ts';
import hub from './hub/index.ts';
import type { AnyConnector } from './kit/connector.ts';
import parking from './parking/index.ts';
import registration from './registration/index.ts';
import tax from './tax/index.ts';

export const connectors: readonly AnyConnector[] = [accessControl, energy, hub, parking, registration, tax];

/** Connectors that stand for legacy systems: what isthmus.yaml may name. */
export const islands: readonly AnyConnector[] = connectors.filter((one) => one.name !== 'hub');

export { HUB_INSTALLATION } from './hub/index.ts';
