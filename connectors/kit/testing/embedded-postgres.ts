/** A real PostgreSQL server for simulators and their tests. */

export {
  type EmbeddedCluster,
  type EmbeddedOptions,
  startEmbeddedPostgres,
} from '../../../schema/database/embedded/embedded-postgres.ts';
export { type Client, openClient } from '../../../schema/database/plain-client.ts';
