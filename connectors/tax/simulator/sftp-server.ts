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
  /** Called after each login and each operation that read or changed a file. */
  readonly onOperation: (operation: string, detail: Readonly<Record<string, unknown>>) => void;
}

export interface DropServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Creates a host key; `fingerprint` is in OpenSSH form. Uses Node's generator: the library's creates keys that it sometimes cannot
 * read.
 */
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

/** Starts the server on loopback. */
export async function serveDrop(options: DropServerOptions): Promise<DropServer> {
  const connections = new Set<Connection>();
  const ssh = new ssh2.Server({ hostKeys: [options.hostKey] }, (connection) => {
    connections.add(connection);
    connection.on('close', () => connections.delete(connection)).on('error', () => undefined);
    connection.on('authentication', (context) => {
      const valid =
        context.method === 'password' && context.username === options.username && context.password === options.password;
      if (!valid) return context.reject(['password']);
      options.onOperation('login', { username: context.username });
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
        // Connections that do not close in time are destroyed.
        setTimeout(() => {
          for (const connection of connections)
            (connection as unknown as { _sock: { destroy(): void } })._sock.destroy();
        }, 200).unref();
      }),
  };
}

type Handle = { file: FileHandle } | { names: string[]; folder: string };

function serve(sftp: SFTPWrapper, { root, onOperation }: DropServerOptions): void {
  const handles = new Map<number, Handle>();
  let next = 1;
  const localPath = (path: string): string => {
    const clean = posix.normalize(`/${path}`);
    const full = resolve(root, `.${clean}`);
    if (full !== resolve(root) && !full.startsWith(resolve(root) + sep)) throw new Error('outside');
    return full;
  };
  const openHandle = (handle: Handle): Buffer => {
    const id = Buffer.alloc(4);
    id.writeUInt32BE(next, 0);
    handles.set(next++, handle);
    return id;
  };
  const found = (id: Buffer): Handle | undefined => handles.get(id.readUInt32BE(0));
  /** Runs one request; an error becomes its status code. */
  const respond = (id: number, work: () => Promise<void>): void => {
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
    respond(id, async () => sftp.attrs(id, attributes(await stat(localPath(path)))));
  sftp.on('STAT', status);
  sftp.on('LSTAT', status);
  sftp.on('OPENDIR', (id, path) =>
    respond(id, async () => {
      const folder = localPath(path);
      sftp.handle(id, openHandle({ names: await readdir(folder), folder }));
    }),
  );
  sftp.on('READDIR', (id, handle) =>
    respond(id, async () => {
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
    respond(id, async () => {
      const writes = (flags & OPEN_MODE.WRITE) !== 0;
      const mode = writes
        ? constants.O_WRONLY | constants.O_CREAT | (flags & OPEN_MODE.TRUNC ? constants.O_TRUNC : 0)
        : constants.O_RDONLY;
      const file = await open(localPath(path), mode);
      onOperation(writes ? 'write' : 'read', { path });
      sftp.handle(id, openHandle({ file }));
    }),
  );
  sftp.on('READ', (id, handle, offset, length) =>
    respond(id, async () => {
      const opened = found(handle);
      if (!opened || !('file' in opened)) return sftp.status(id, STATUS_CODE.FAILURE);
      const bytes = Buffer.alloc(Math.min(length, 32_768));
      const { bytesRead } = await opened.file.read(bytes, 0, bytes.length, offset);
      if (bytesRead === 0) sftp.status(id, STATUS_CODE.EOF);
      else sftp.data(id, bytes.subarray(0, bytesRead));
    }),
  );
  sftp.on('WRITE', (id, handle, offset, bytes) =>
    respond(id, async () => {
      const opened = found(handle);
      if (!opened || !('file' in opened)) return sftp.status(id, STATUS_CODE.FAILURE);
      await opened.file.write(bytes, 0, bytes.length, offset);
      done(id);
    }),
  );
  sftp.on('FSTAT', (id, handle) =>
    respond(id, async () => {
      const opened = found(handle);
      if (!opened || !('file' in opened)) return sftp.status(id, STATUS_CODE.FAILURE);
      sftp.attrs(id, attributes(await opened.file.stat()));
    }),
  );
  sftp.on('CLOSE', (id, handle) =>
    respond(id, async () => {
      const opened = found(handle);
      handles.delete(handle.readUInt32BE(0));
      if (opened && 'file' in opened) await opened.file.close();
      done(id);
    }),
  );
  sftp.on('SETSTAT', (id) => done(id));
  sftp.on('FSETSTAT', (id) => done(id));
  sftp.on('REMOVE', (id, path) =>
    respond(id, async () => {
      await rm(localPath(path));
      onOperation('remove', { path });
      done(id);
    }),
  );
  sftp.on('RENAME', (id, from, to) =>
    respond(id, async () => {
      // The protocol requires an error if the target exists.
      const exists = await stat(localPath(to)).then(
        () => true,
        () => false,
      );
      if (exists) return sftp.status(id, STATUS_CODE.FAILURE);
      await rename(localPath(from), localPath(to));
      onOperation('rename', { from, to });
      done(id);
    }),
  );
  sftp.on('MKDIR', (id, path) =>
    respond(id, async () => {
      await mkdir(localPath(path));
      done(id);
    }),
  );
  sftp.on('RMDIR', (id, path) =>
    respond(id, async () => {
      await rmdir(localPath(path));
      done(id);
    }),
  );
  sftp.on('close', () => {
    for (const handle of handles.values()) if ('file' in handle) void handle.file.close().catch(() => undefined);
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
