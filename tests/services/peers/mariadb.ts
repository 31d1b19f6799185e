import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../../schema/database/embedded/free-port.ts';
import { type Peer, startProgram } from './peer.ts';

const id = (what: '-u' | '-g', user: string): number => Number(execFileSync('id', [what, user]).toString());

/** MariaDB. Sets MARIADB_URL, an account that may create databases. */
export const mariadb: Peer = {
  name: 'MariaDB',
  packages: ['mariadb-server'],
  program: 'mariadbd',
  start: async (directory) => {
    const data = join(directory, 'data');
    mkdirSync(data, { recursive: true });
    const owner = { uid: id('-u', 'mysql'), gid: id('-g', 'mysql') };
    chownSync(directory, owner.uid, owner.gid);
    chownSync(data, owner.uid, owner.gid);
    execFileSync(
      'mariadb-install-db',
      ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'],
      { stdio: 'ignore', ...owner },
    );
    const port = await freePort();
    const socket = join(directory, 's');
    const { stop } = await startProgram(
      directory,
      'mariadbd',
      [
        '--no-defaults',
        `--datadir=${data}`,
        `--port=${port}`,
        '--bind-address=127.0.0.1',
        `--socket=${socket}`,
        '--skip-name-resolve',
        `--pid-file=${join(directory, 'pid')}`,
      ],
      port,
      owner,
    );
    execFileSync('mariadb', [
      '--no-defaults',
      `--socket=${socket}`,
      '-u',
      'root',
      '-e',
      "CREATE USER services@'127.0.0.1' IDENTIFIED BY 'services'; GRANT ALL ON *.* TO services@'127.0.0.1' WITH GRANT OPTION",
    ]);
    return { env: { MARIADB_URL: `mysql://services:services@127.0.0.1:${port}/mysql` }, stop };
  },
};
