/** Runs Debian's nginx in front of a hub, with the configuration of docs/nginx.md or another. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { startProgram } from './peers/peer.ts';

const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'nginx.md');
const PROGRAM = process.env['NGINX'] ?? '/usr/sbin/nginx';

export interface Nginx {
  readonly url: string;
  /** Stops it with all its connections and starts it again on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** The configuration of docs/nginx.md. */
export function documentedConfig(): string {
  const [, config] = /^```nginx\n([\s\S]*?)^```/m.exec(readFileSync(PAGE, 'utf8')) ?? [];
  if (config === undefined) throw new Error('docs/nginx.md contains no nginx code block.');
  return config;
}

/** Replaces a text that must occur exactly once. */
export function replaceOnce(config: string, before: string, after: string): string {
  if (config.split(before).length !== 2) throw new Error(`The configuration must contain exactly once: ${before}`);
  return config.replace(before, () => after);
}

/** nginx as configured in docs/nginx.md, with its own ports and certificate. `change` modifies the configuration. */
export async function documentedNginx(
  hubPort: string,
  change: (config: string) => string = (config) => config,
): Promise<Nginx> {
  const port = await freePort();
  const certificates = mkdtempSync(join(tmpdir(), 'isthmus-certificate-'));
  const [key, certificate] = [join(certificates, 'key.pem'), join(certificates, 'certificate.pem')];
  const subject = ['-subj', '/CN=hub.example', '-addext', 'subjectAltName=DNS:hub.example,IP:127.0.0.1'];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', certificate, ...subject],
    { stdio: 'ignore' },
  );
  let config = change(documentedConfig());
  config = replaceOnce(config, 'listen 443 ', `listen 127.0.0.1:${port} `);
  config = replaceOnce(config, 'listen 80;', `listen 127.0.0.1:${await freePort()};`);
  config = replaceOnce(config, '127.0.0.1:4000', `127.0.0.1:${hubPort}`);
  config = replaceOnce(config, '/etc/ssl/hub.example.pem', certificate);
  config = replaceOnce(config, '/etc/ssl/hub.example.key', key);
  const nginx = await startNginx(config, port);
  return {
    ...nginx,
    url: `https://127.0.0.1:${port}`,
    stop: async () => {
      await nginx.stop();
      rmSync(certificates, { recursive: true, force: true });
    },
  };
}

/** nginx with these blocks inside `http`; `port`: the port it listens on. */
export async function startNginx(config: string, port: number): Promise<Nginx> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-nginx-'));
  mkdirSync(join(directory, 'temp'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(directory, 'temp', name)};`)
    .join(' ');
  const file = join(directory, 'nginx.conf');
  writeFileSync(
    file,
    `${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${join(directory, 'pid')};
error_log ${join(directory, 'error.log')};
worker_processes 1;
events {}
http { access_log off; ${temporary}
${config}
}
`,
  );
  const begin = () =>
    startProgram(
      directory,
      PROGRAM,
      ['-e', join(directory, 'error.log'), '-p', directory, '-c', file, '-g', 'daemon off;'],
      port,
    );
  let running = await begin();
  return {
    url: `http://127.0.0.1:${port}`,
    restart: async () => {
      await running.stop();
      running = await begin();
    },
    stop: async () => {
      await running.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
