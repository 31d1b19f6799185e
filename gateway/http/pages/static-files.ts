/** Serves the files of one folder by name: the explorer's page. Nothing outside the folder, no listings. */
import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.ttf': 'font/ttf',
  '.woff2': 'font/woff2',
  '.png': 'image/png',
};

/** The page may load and call its own hub, WebSockets included, and call the origins of `connect`. */
const contentSecurityPolicy = (connect: readonly string[]): string =>
  [
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    `connect-src ${["'self'", ...connect].join(' ')}`,
    "worker-src 'self' blob:",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
  ].join('; ');

/** Responds with the file `name` of `folder`; resolves with false when there is none. `connect`: other origins that a page may call. */
export async function serveFile(
  response: ServerResponse,
  folder: string,
  name: string,
  connect: readonly string[] = [],
): Promise<boolean> {
  const path = normalize(join(folder, name === '' || name === '/' ? 'index.html' : name));
  const type = TYPES[extname(path)];
  if (!path.startsWith(normalize(folder) + sep) || !type) return false;
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch {
    return false;
  }
  response.writeHead(200, {
    'content-type': type,
    'content-security-policy': contentSecurityPolicy(connect),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-cache',
  });
  response.end(bytes);
  return true;
}
