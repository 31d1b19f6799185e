/** The first argument of every function that queries the hub's database. */
import type { EntityManager } from 'typeorm';

/** A transaction, or `Database.plain` for single statements outside of one. */
export type Tx = EntityManager;
