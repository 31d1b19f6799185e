/** A real PostgreSQL for pretend legacy systems and their tests, lent from the ground. */
export { type Client, openClient } from '../../../schema/database/client.ts';
export { type Embedded, type EmbeddedOptions, startEmbedded } from '../../../schema/database/embedded.ts';
