/** A real PostgreSQL for pretend legacy systems and their tests, lent from the ground. */

export {
  type Embedded,
  type EmbeddedOptions,
  startEmbedded,
} from '../../../schema/database/embedded/embedded-postgres.ts';
export { type Client, openClient } from '../../../schema/database/plain-client.ts';
