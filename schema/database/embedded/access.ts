/** Client access to an embedded cluster (pg_hba.conf), and its database with password. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { ClusterLocation } from './data-folder.ts';
import type { PostgresAddress } from './postgres-process.ts';

/** Writes pg_hba.conf. The unix socket is protected by its folder's mode; TCP requires the password unless `auth` is `trust`. */
export async function writeClientAccess(
  location: ClusterLocation,
  auth: 'trust' | { password: string },
): Promise<void> {
  const method = auth === 'trust' ? 'trust' : 'scram-sha-256';
  await writeFile(
    join(location.data, 'pg_hba.conf'),
    `# Written by the hub at every start.\nlocal all all trust\nhost all all 127.0.0.1/32 ${method}\n`,
  );
}

/** Creates the database if it does not exist, and sets the password, which may have changed since the last start. */
export async function prepareDatabase(
  target: PostgresAddress,
  database: string,
  password: string | null,
): Promise<void> {
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
