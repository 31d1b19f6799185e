/** THE LIST: one line per connector. */
import accessControl from './access-control/index.ts';
import files from './configured/files/index.ts';
import mesh from './configured/openapi/index.ts';
import sql from './configured/sql/index.ts';
import wsdl from './configured/wsdl/index.ts';
import energy from './energy/index.ts';
import hub from './hub/index.ts';
import type { AnyConnector, AnyFamily } from './kit/connector.ts';
import parking from './parking/index.ts';
import registration from './registration/index.ts';
import tax from './tax/index.ts';

export const connectors: readonly AnyConnector[] = [accessControl, energy, hub, parking, registration, tax];

/** Connectors that isthmus.yaml makes, one for each system that it names. */
export const families: readonly AnyFamily[] = [mesh, wsdl, files, sql];

/** Connectors in code that stand for legacy systems. */
export const islands: readonly AnyConnector[] = connectors.filter((one) => one.name !== 'hub');

/** What isthmus.yaml may name. */
export const configurable: readonly (AnyConnector | AnyFamily)[] = [...islands, ...families];

export { HUB_INSTALLATION } from './hub/index.ts';
