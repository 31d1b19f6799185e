/** The workspace of a trial: a copy of the sources with its own build, and data folders, for the user that starts the hub. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

/** Null: the user of this process. */
export type User = { readonly name: string; readonly uid: number; readonly gid: number } | null;

export interface Workspace {
  readonly user: User;
  /** The copy of the sources, in which `npm start` runs. */
  readonly sources: string;
  /** The data folder that trials reuse. */
  readonly data: string;
  /** Creates an empty data folder. */
  fresh(): string;
  /** Environment of `npm start`. */
  readonly env: Readonly<Record<string, string>>;
  remove(): void;
}

/** The user `nobody` if this process is root, otherwise null. */
export function ordinaryUser(): User {
  if (process.getuid?.() !== 0) return null;
  const line = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  return line ? { name: 'nobody', uid: Number(line[1]), gid: Number(line[2]) } : null;
}

/**
 * Links the installed packages one by one and writes a lock file that matches them. If `npm start` should ever install
 * there, it removes only links.
 */
function linkPackages(sources: string): void {
  const here = join(ROOT, 'node_modules');
  const there = join(sources, 'node_modules');
  mkdirSync(there);
  for (const name of readdirSync(here))
    if (name !== '.package-lock.json') symlinkSync(join(here, name), join(there, name));
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as { packages: object };
  writeFileSync(join(there, '.package-lock.json'), JSON.stringify({ packages: lock.packages }));
}

export function createWorkspace(user: User): Workspace {
  const folder = mkdtempSync(join(tmpdir(), `isthmus-signals-${user?.name ?? 'own'}-`));
  // PostgreSQL does not run as root; its user needs access to this folder.
  chmodSync(folder, 0o755);
  const sources = join(folder, 'sources');
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: ROOT });
  for (const file of listed.toString().split('\0').filter(Boolean)) {
    mkdirSync(dirname(join(sources, file)), { recursive: true });
    try {
      cpSync(join(ROOT, file), join(sources, file));
    } catch (error) {
      // Deleted, but the deletion is not committed.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  linkPackages(sources);
  const home = join(folder, 'home');
  mkdirSync(home);
  const give = (path: string) => {
    if (user) execFileSync('chown', ['-R', '-h', `${user.uid}:${user.gid}`, path]);
  };
  give(sources);
  give(home);
  let made = 0;
  const dataFolder = (name: string): string => {
    const path = join(folder, name);
    mkdirSync(path);
    if (user) chownSync(path, user.uid, user.gid);
    return path;
  };
  return {
    user,
    sources,
    data: dataFolder('data'),
    fresh: () => dataFolder(`fresh-${made++}`),
    env: { HOME: home, npm_config_cache: join(home, '.npm'), npm_config_update_notifier: 'false' },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
