/** Who may come in to an embedded cluster, and the database that they come in to. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { Place } from './data-folder.ts';
import type { Target } from './postgres-process.ts';

/** Who may come in: the socket's folder is guarded by its mode, TCP by password unless the caller wants trust. */
export async function writeAccess(place: Place, auth: 'trust' | { password: string }): Promise<void> {
  const method = auth === 'trust' ? 'trust' : 'scram-sha-256';
  await writeFile(
    join(place.data, 'pg_hba.conf'),
    `# Written at every start by the hub.\nlocal all all trust\nhost all all 127.0.0.1/32 ${method}\n`,
  );
}

/** Makes the database when it is absent, and sets the password anew: it may have changed since the last start. */
export async function prepareDatabase(target: Target, database: string, password: string | null): Promise<void> {
  const client = new pg.Client({ ...target, database: 'postgres' });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
    if (password !== null) {
      await client.query(
        `ALTER ROLE ${client.escapeIdentifier(target.user)} PASSWORD ${client.escapeLiteral(password)}`,
      );
    }
  } finally {
    await client.end();
  }
}
