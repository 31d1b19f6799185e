/** Installs missing Debian packages and starts every peer in its own folder and on its own port. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { peers } from './peers/index.ts';
import { type Peer, type Started, stopAll } from './peers/peer.ts';

const POLICY = '/usr/sbin/policy-rc.d';

const present = ({ program }: Peer): boolean =>
  program.startsWith('/')
    ? existsSync(program)
    : spawnSync('sh', ['-c', `command -v ${program} || ls /usr/sbin/${program}`], { stdio: 'ignore' }).status === 0;

/** Installs the packages of missing peers, without starting their services. */
function install(missing: readonly Peer[]): void {
  const packages = missing.flatMap((one) => one.packages);
  if (packages.length === 0) return;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error(`Missing packages: ${packages.join(' ')}. Install them, or run as root on Debian.`);
  }
  const own = !existsSync(POLICY);
  if (own) {
    writeFileSync(POLICY, '#!/bin/sh\nexit 101\n');
    chmodSync(POLICY, 0o755);
  }
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    execFileSync('apt-get', ['update', '-qq'], { stdio: 'ignore', env });
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env,
    });
  } finally {
    if (own) rmSync(POLICY, { force: true });
  }
}

/** Starts all peers; rejects, with nothing left running, if one cannot start or `signal` is aborted. */
export async function startPeers(signal: AbortSignal): Promise<Started> {
  install(peers.filter((peer) => !present(peer)));
  const root = mkdtempSync(join(tmpdir(), 'isthmus-services-'));
  chmodSync(root, 0o755);
  const started: Started[] = [];
  const stop = async () => {
    for (const one of started.reverse()) await one.stop();
    await stopAll();
    rmSync(root, { recursive: true, force: true });
  };
  try {
    for (const peer of peers) {
      const directory = join(root, peer.name.toLowerCase());
      mkdirSync(directory);
      started.push(await peer.start(directory));
      signal.throwIfAborted();
      process.stdout.write(`${peer.name} is up.\n`);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { env: Object.assign({}, ...started.map((one) => one.env)) as Record<string, string>, stop };
}
