// Takes the hub's port. Plain JavaScript without packages: `npm start` calls it before anything is installed or built.
import { get } from 'node:http';
import { createServer } from 'node:net';

/** Where the hub listens when the environment does not say so. */
export const DEFAULT_PORT = 4000;
export const DEFAULT_HOST = '127.0.0.1';
/** What a request gets while the hub starts. */
const STARTING = '{"errors":[{"message":"The hub is starting."}]}';
/** `/healthz` of every process of this program, by which another start recognises it. */
export const HEALTH = { status: 'ok', program: 'isthmus' };
/** How long the process that holds the port may take to say what it is, in milliseconds. */
const ASKING = 700;

/** The port cannot be had; the message is a sentence for people. */
export class PortError extends Error {
  name = 'PortError';
}

/**
 * Takes the port and holds it; answers 503 until an HTTP server takes it over by `server.listen(held)`, without a gap.
 * `command` is what the operator would type again, for the message; `told` gets a line of progress. Throws `PortError`.
 */
export async function takePort({ host, port, command = 'npm start', told }) {
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
  told?.('port', `listening on ${server.address().port}; it answers 503 until the start is over`);
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
      `Port ${port} needs rights that this user lacks. Choose one above 1023: PORT=${DEFAULT_PORT} ${command}`,
    );
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN') {
    return new PortError(
      `This machine has no address ${host}. Set HOST to one that it has, such as HOST=${DEFAULT_HOST} ${command}`,
    );
  }
  return error;
}

/** Whether what holds the port says that it is a process of this program. */
function isIsthmus(host, port) {
  const at = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return new Promise((resolve) => {
    let text = '';
    const request = get({ host: at, port, path: '/healthz', agent: false }, (response) => {
      response.on('data', (part) => {
        text += part;
        if (text.length > 1_000) request.destroy();
      });
    });
    const timer = setTimeout(() => request.destroy(), ASKING);
    request.on('error', () => undefined);
    request.on('close', () => {
      clearTimeout(timer);
      resolve(text === JSON.stringify(HEALTH));
    });
  });
}

/** `npm start` takes the port before there is a build, whose copy of this file then finds it here. */
const HELD = Symbol.for('isthmus.heldPort');

/** Keeps a taken port for `heldPort`. */
export function holdPort(server) {
  globalThis[HELD] = server;
}

/** The port that this process took before, once; null when it took none. */
export function heldPort() {
  const server = globalThis[HELD] ?? null;
  globalThis[HELD] = null;
  return server;
}
