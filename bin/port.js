// Takes the hub's port. JavaScript without packages, since `npm start` calls it before anything is installed or built.
import { get } from 'node:http';
import { createServer } from 'node:net';

/** Default address of the hub. */
export const DEFAULT_PORT = 4000;
export const DEFAULT_HOST = '127.0.0.1';
/** Body of responses while the hub starts. */
const STARTING = '{"errors":[{"message":"Server is starting. Retry in 2 s."}]}';
/** Body of `/healthz` of every process of this program, by which another start recognises it. */
export const HEALTH = { status: 'ok', program: 'isthmus' };
/** Milliseconds to wait for `/healthz` of the process that uses the port. */
const HEALTH_TIMEOUT = 700;

/** The port cannot be used; the message is written for operators. */
export class PortError extends Error {
  name = 'PortError';
}

/**
 * Listens on the port and returns 503 until an HTTP server takes the port over with `server.listen(heldPort)`, without a gap.
 * `command` is repeated in the error message; `onProgress` receives a progress line. Rejects with `PortError`.
 */
export async function takePort({ host, port, command = 'npm start', onProgress }) {
  const server = createServer((socket) => {
    socket.setTimeout(5_000, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.once('data', (bytes) => {
      const health = /^(GET|HEAD) \/healthz[ ?]/.test(bytes.toString('latin1', 0, 32));
      const [status, body] = health
        ? ['200 OK', JSON.stringify(HEALTH)]
        : ['503 Service Unavailable\r\nretry-after: 2', STARTING];
      socket.end(
        `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
    });
  });
  try {
    await new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
  } catch (error) {
    throw await portError(error, { host, port, command });
  }
  onProgress?.('port', `listening on ${server.address().port}; returns 503 until the hub is ready`);
  return server;
}

async function portError(error, { host, port, command }) {
  const other = port < 65_535 ? port + 1 : port - 1;
  if (error.code === 'EADDRINUSE') {
    const hub = await isIsthmus(host, port);
    return new PortError(
      `Port ${port} is in use by ${hub ? 'another Isthmus process' : 'another program'}. Stop that ${hub ? 'one' : 'program'}, or choose another port: PORT=${other} ${command}`,
    );
  }
  if (error.code === 'EACCES') {
    return new PortError(
      `Port ${port} requires privileges that this user does not have. Use a port above 1023: PORT=${DEFAULT_PORT} ${command}`,
    );
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN') {
    return new PortError(
      `This machine has no address ${host}. Set HOST to one of its addresses, such as HOST=${DEFAULT_HOST} ${command}`,
    );
  }
  return error;
}

/** Whether the process that uses the port belongs to this program. */
function isIsthmus(host, port) {
  const target = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return new Promise((resolve) => {
    let text = '';
    const request = get({ host: target, port, path: '/healthz', agent: false }, (response) => {
      response.on('data', (part) => {
        text += part;
        if (text.length > 1_000) request.destroy();
      });
    });
    const timer = setTimeout(() => request.destroy(), HEALTH_TIMEOUT);
    request.on('error', () => undefined);
    request.on('close', () => {
      clearTimeout(timer);
      resolve(text === JSON.stringify(HEALTH));
    });
  });
}

/** Global, since `npm start` takes the port with this file and the build contains a copy of it. */
const HELD = Symbol.for('isthmus.heldPort');

/** Stores a port for `takeHeldPort`. */
export function holdPort(server) {
  globalThis[HELD] = server;
}

/** The port stored by `holdPort`, which it returns once; null if there is none. */
export function takeHeldPort() {
  const server = globalThis[HELD] ?? null;
  globalThis[HELD] = null;
  return server;
}
