import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../../schema/database/embedded/free-port.ts';
import { type Peer, startProgram } from './peer.ts';

const ROOT = '/usr/lib/postgresql';

/** Debian's PostgreSQL. Sets SERVICES_DATABASE_URL, a server for the hub. */
export const postgres: Peer = {
  name: 'PostgreSQL',
  packages: ['postgresql'],
  program: 'pg_ctlcluster',
  start: async (directory) => {
    const version = existsSync(ROOT) ? readdirSync(ROOT).sort().at(-1) : undefined;
    if (!version) throw new Error('PostgreSQL is not installed in /usr/lib/postgresql.');
    const bin = join(ROOT, version, 'bin');
    const owner = {
      uid: Number(execFileSync('id', ['-u', 'postgres']).toString()),
      gid: Number(execFileSync('id', ['-g', 'postgres']).toString()),
    };
    const data = join(directory, 'data');
    mkdirSync(data, { recursive: true });
    for (const folder of [directory, data]) chownSync(folder, owner.uid, owner.gid);
    execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'isthmus', '--auth=trust', '-E', 'UTF8', '--locale=C.UTF-8'], {
      stdio: 'ignore',
      ...owner,
    });
    const port = await freePort();
    const { stop } = await startProgram(
      directory,
      join(bin, 'postgres'),
      ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', directory],
      port,
      owner,
    );
    return { env: { SERVICES_DATABASE_URL: `postgres://isthmus@127.0.0.1:${port}/postgres` }, stop };
  },
};
