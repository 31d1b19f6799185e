/** What the hub's own connector reads: its store in one word. */
export * from './access-log.ts';
export * from './cases.ts';
export * from './company-facts.ts';
export * from './consents.ts';
export { quarantineEvents } from './event-quarantine.ts';
export * from './event-retention.ts';
export * from './events.ts';
export * from './identities.ts';
export * from './parks.ts';
export * from './sources.ts';
