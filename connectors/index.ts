/** The list of connectors: one line each. `npm run connector:new` adds a line. */
import accessControl from './access-control/index.ts';
import files from './configured/files/index.ts';
import mesh from './configured/openapi/index.ts';
import sql from './configured/sql/index.ts';
import wsdl from './configured/wsdl/index.ts';
import energy from './energy/index.ts';
import hub from './hub/index.ts';
import type { AnyConnector, AnyConnectorFamily } from './kit/connector.ts';
import parking from './parking/index.ts';
import registration from './registration/index.ts';
import tax from './tax/index.ts';

export const connectors: readonly AnyConnector[] = [accessControl, energy, hub, parking, registration, tax];

/** Connector families: each creates connectors for the systems declared in isthmus.yaml. */
export const families: readonly AnyConnectorFamily[] = [mesh, wsdl, files, sql];

/** Connectors written in code for legacy systems: all but the hub's own. */
export const sourceConnectors: readonly AnyConnector[] = connectors.filter(({ name }) => name !== 'hub');

/** Connectors and families that isthmus.yaml may name. */
export const configurable: readonly (AnyConnector | AnyConnectorFamily)[] = [...sourceConnectors, ...families];

export { HUB_INSTALLATION } from './hub/index.ts';
