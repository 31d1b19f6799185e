import * as hub from './hub.ts';

/** The tables that belong to connectors, as `Services.store` lends them. One line per table file. */
export const stores = { hub };

/** Each connector touches only its own. */
export type Stores = typeof stores;
