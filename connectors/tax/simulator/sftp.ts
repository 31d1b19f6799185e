/** A small SFTP server (protocol version 3) over a folder: one account, no symbolic links, plain renaming only. */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { posix, resolve, sep } from 'node:path';
import ssh2, { type Attributes, type Connection, type SFTPWrapper } from 'ssh2';
import { listen } from '../../kit/testing/simulator.ts';

const { OPEN_MODE, STATUS_CODE } = ssh2.utils.sftp;

export interface DropServerOptions {
  /** Folder that clients see as `/`. */
  readonly root: string;
  /** Private key, PEM. */
  readonly hostKey: string;
  readonly username: string;
  readonly password: string;
  readonly port?: number | undefined;
  /** Told after each operation that changed or read a file, and each login. */
  readonly told: (operation: string, detail: Readonly<Record<string, unknown>>) => void;
}

export interface DropServer {
  readonly port: number;
  close(): Promise<void>;
}

/** A new host key and its fingerprint, as OpenSSH writes it. By Node's own generator: the library's sometimes makes keys it cannot read. */
export function makeHostKey(): { hostKey: string; fingerprint: string } {
  const { privateKey: hostKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const key = ssh2.utils.parseKey(hostKey);
  if (key instanceof Error) throw key;
  const digest = createHash('sha256').update(key.getPublicSSH()).digest('base64');
  return { hostKey, fingerprint: `SHA256:${digest.replace(/=+$/, '')}` };
}

export async function serveDrop(options: DropServerOptions): Promise<DropServer> {
  const connections = new Set<Connection>();
  const ssh = new ssh2.Server({ hostKeys: [options.hostKey] }, (connection) => {
    connections.add(connection);
    connection.on('close', () => connections.delete(connection)).on('error', () => undefined);
    connection.on('authentication', (context) => {
      const right =
        context.method === 'password' && context.username === options.username && context.password === options.password;
      if (!right) return context.reject(['password']);
      options.told('login', { username: context.username });
      context.accept();
    });
    connection.on('session', (accept) => {
      accept().on('sftp', (begin) => serve(begin(), options));
    });
  });
  const server = createServer({ noDelay: true }, (socket) => ssh.injectSocket(socket));
  const port = await listen(server, options.port ?? 0);
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const connection of connections) connection.end();
        // Whoever does not take leave in time is cut off.
        setTimeout(() => {
          for (const connection of connections)
            (connection as unknown as { _sock: { destroy(): void } })._sock.destroy();
        }, 200).unref();
      }),
  };
}

type Handle = { file: FileHandle } | { names: string[]; folder: string };

function serve(sftp: SFTPWrapper, { root, told }: DropServerOptions): void {
  const handles = new Map<number, Handle>();
  let next = 1;
  const place = (path: string): string => {
    const clean = posix.normalize(`/${path}`);
    const full = resolve(root, `.${clean}`);
    if (full !== resolve(root) && !full.startsWith(resolve(root) + sep)) throw new Error('outside');
    return full;
  };
  const keep = (handle: Handle): Buffer => {
    const id = Buffer.alloc(4);
    id.writeUInt32BE(next, 0);
    handles.set(next++, handle);
    return id;
  };
  const found = (id: Buffer): Handle | undefined => handles.get(id.readUInt32BE(0));
  /** Runs one request; a fault becomes its status code. */
  const answer = (id: number, work: () => Promise<void>): void => {
    work().catch((error: NodeJS.ErrnoException) => {
      const code = error.code === 'ENOENT' ? STATUS_CODE.NO_SUCH_FILE : STATUS_CODE.FAILURE;
      sftp.status(id, error.message === 'outside' ? STATUS_CODE.PERMISSION_DENIED : code);
    });
  };
  const done = (id: number): void => sftp.status(id, STATUS_CODE.OK);

  sftp.on('REALPATH', (id, path) => {
    const name = posix.normalize(`/${path}`);
    sftp.name(id, [{ filename: name, longname: name, attrs: attributes() }]);
  });
  const status = (id: number, path: string): void =>
    answer(id, async () => sftp.attrs(id, attributes(await stat(place(path)))));
  sftp.on('STAT', status);
  sftp.on('LSTAT', status);
  sftp.on('OPENDIR', (id, path) =>
    answer(id, async () => {
      const folder = place(path);
      sftp.handle(id, keep({ names: await readdir(folder), folder }));
    }),
  );
  sftp.on('READDIR', (id, handle) =>
    answer(id, async () => {
      const listing = found(handle);
      if (!listing || !('names' in listing)) return sftp.status(id, STATUS_CODE.FAILURE);
      const names = listing.names.splice(0, 100);
      if (names.length === 0) return sftp.status(id, STATUS_CODE.EOF);
      const entries = [];
      for (const name of names) {
        const facts = await stat(resolve(listing.folder, name)).catch(() => null);
        if (!facts) continue;
        const kind = facts.isDirectory() ? 'd' : '-';
        const longname = `${kind}rw-r--r-- 1 tax tax ${facts.size} Jan  1 00:00 ${name}`;
        entries.push({ filename: name, longname, attrs: attributes(facts) });
      }
      sftp.name(id, entries);
    }),
  );
  sftp.on('OPEN', (id, path, flags) =>
    answer(id, async () => {
      const writes = (flags & OPEN_MODE.WRITE) !== 0;
      const mode = writes
        ? constants.O_WRONLY | constants.O_CREAT | (flags & OPEN_MODE.TRUNC ? constants.O_TRUNC : 0)
        : constants.O_RDONLY;
      const file = await open(place(path), mode);
      told(writes ? 'write' : 'read', { path });
      sftp.handle(id, keep({ file }));
    }),
  );
  sftp.on('READ', (id, handle, offset, length) =>
    answer(id, async () => {
      const one = found(handle);
      if (!one || !('file' in one)) return sftp.status(id, STATUS_CODE.FAILURE);
      const bytes = Buffer.alloc(Math.min(length, 32_768));
      const { bytesRead } = await one.file.read(bytes, 0, bytes.length, offset);
      if (bytesRead === 0) sftp.status(id, STATUS_CODE.EOF);
      else sftp.data(id, bytes.subarray(0, bytesRead));
    }),
  );
  sftp.on('WRITE', (id, handle, offset, bytes) =>
    answer(id, async () => {
      const one = found(handle);
      if (!one || !('file' in one)) return sftp.status(id, STATUS_CODE.FAILURE);
      await one.file.write(bytes, 0, bytes.length, offset);
      done(id);
    }),
  );
  sftp.on('FSTAT', (id, handle) =>
    answer(id, async () => {
      const one = found(handle);
      if (!one || !('file' in one)) return sftp.status(id, STATUS_CODE.FAILURE);
      sftp.attrs(id, attributes(await one.file.stat()));
    }),
  );
  sftp.on('CLOSE', (id, handle) =>
    answer(id, async () => {
      const one = found(handle);
      handles.delete(handle.readUInt32BE(0));
      if (one && 'file' in one) await one.file.close();
      done(id);
    }),
  );
  sftp.on('SETSTAT', (id) => done(id));
  sftp.on('FSETSTAT', (id) => done(id));
  sftp.on('REMOVE', (id, path) =>
    answer(id, async () => {
      await rm(place(path));
      told('remove', { path });
      done(id);
    }),
  );
  sftp.on('RENAME', (id, from, to) =>
    answer(id, async () => {
      // As the protocol says: it fails when something of that name is there.
      const taken = await stat(place(to)).then(
        () => true,
        () => false,
      );
      if (taken) return sftp.status(id, STATUS_CODE.FAILURE);
      await rename(place(from), place(to));
      told('rename', { from, to });
      done(id);
    }),
  );
  sftp.on('MKDIR', (id, path) =>
    answer(id, async () => {
      await mkdir(place(path));
      done(id);
    }),
  );
  sftp.on('RMDIR', (id, path) =>
    answer(id, async () => {
      await rmdir(place(path));
      done(id);
    }),
  );
  sftp.on('close', () => {
    for (const one of handles.values()) if ('file' in one) void one.file.close().catch(() => undefined);
    handles.clear();
  });
}

const attributes = (facts?: { mode: number; size: number; atimeMs: number; mtimeMs: number }): Attributes => ({
  mode: facts?.mode ?? 0o40755,
  uid: 1000,
  gid: 1000,
  size: facts?.size ?? 0,
  atime: Math.floor((facts?.atimeMs ?? 0) / 1000),
  mtime: Math.floor((facts?.mtimeMs ?? 0) / 1000),
});
