import * as hub from './hub.ts';
import * as parking from './parking.ts';

/** The tables that belong to connectors, as `Services.store` lends them. One line per table file. */
export const stores = { hub, parking };

/** Each connector touches only its own. */
export type Stores = typeof stores;
