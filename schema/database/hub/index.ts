/** The store of the hub's own connector. */
export * from '../audit/company-access-log.ts';
export * from '../events/event-log.ts';
export { quarantineEvents } from '../events/event-quarantine.ts';
export * from '../events/event-query.ts';
export * from '../events/event-retention.ts';
export * from './cases.ts';
export * from './companies.ts';
export * from './company-facts.ts';
export * from './consents.ts';
export * from './identities.ts';
export * from './parks.ts';
export * from './source-status.ts';
