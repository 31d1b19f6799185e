import * as energy from './energy/index.ts';
import * as hub from './hub/index.ts';
import * as parking from './parking/index.ts';
import * as registration from './registration.ts';
import * as tax from './tax/index.ts';

/** The query functions that each connector gets as `Services.store`. */
export const stores = { energy, hub, parking, registration, tax };

/** By connector; each uses only its own. */
export type Stores = typeof stores;
