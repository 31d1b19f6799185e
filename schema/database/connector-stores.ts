import * as energy from './energy/index.ts';
import * as hub from './hub/index.ts';
import * as parking from './parking.ts';
import * as registration from './registration.ts';
import * as tax from './tax/index.ts';

/** The tables that belong to connectors, as `Services.store` lends them. One line per table file. */
export const stores = { energy, hub, parking, registration, tax };

/** Each connector touches only its own. */
export type Stores = typeof stores;
