/**
 * All tables of the hub's database. An entity is the declaration of its table: `isthmus schema --check` compares it with the database that
 * the migrations make. Keys have the order of the properties.
 */
import * as audit from './audit.ts';
import * as companies from './companies.ts';
import * as energy from './energy.ts';
import * as events from './events.ts';
import * as parking from './parking.ts';
import * as parks from './parks.ts';
import * as processes from './processes.ts';
import * as registration from './registration.ts';
import * as sources from './sources.ts';
import * as tax from './tax.ts';

const areas = {
  ...parks,
  ...companies,
  ...events,
  ...sources,
  ...processes,
  ...audit,
  ...tax,
  ...energy,
  ...parking,
  ...registration,
};
export const entities: (new () => object)[] = Object.values(areas);
