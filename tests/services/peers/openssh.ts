import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../../schema/database/embedded/free-port.ts';
import { type Peer, startProgram } from './peer.ts';

/** OpenSSH with internal-sftp. Sets SFTP_HOST, SFTP_PORT, SFTP_USER, SFTP_KEY (file), SFTP_HOST_KEY (SHA256 fingerprint), SFTP_ROOT (local path of its folder). */
export const openssh: Peer = {
  name: 'OpenSSH',
  packages: ['openssh-server', 'openssh-sftp-server'],
  program: 'sshd',
  start: async (directory) => {
    const port = await freePort();
    const root = join(directory, 'drop');
    mkdirSync(root, { recursive: true });
    mkdirSync('/run/sshd', { recursive: true });
    const hostKey = join(directory, 'host');
    const userKey = join(directory, 'user');
    for (const file of [hostKey, userKey])
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-m', 'PEM', '-f', file]);
    const authorized = join(directory, 'authorized');
    writeFileSync(authorized, readFileSync(`${userKey}.pub`));
    chmodSync(authorized, 0o600);
    const file = join(directory, 'sshd_config');
    writeFileSync(
      file,
      [
        `Port ${port}`,
        'ListenAddress 127.0.0.1',
        `HostKey ${hostKey}`,
        `AuthorizedKeysFile ${authorized}`,
        'StrictModes no',
        'UsePAM no',
        'PasswordAuthentication no',
        'PermitRootLogin yes',
        `PidFile ${join(directory, 'pid')}`,
        `Subsystem sftp internal-sftp -d ${root}`,
        'ForceCommand internal-sftp',
        '',
      ].join('\n'),
    );
    const { stop } = await startProgram(directory, '/usr/sbin/sshd', ['-D', '-e', '-f', file], port);
    const blob = Buffer.from(readFileSync(`${hostKey}.pub`, 'utf8').split(' ')[1] as string, 'base64');
    return {
      env: {
        SFTP_HOST: '127.0.0.1',
        SFTP_PORT: String(port),
        SFTP_USER: 'root',
        SFTP_KEY: userKey,
        SFTP_HOST_KEY: `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`,
        SFTP_ROOT: root,
      },
      stop,
    };
  },
};
