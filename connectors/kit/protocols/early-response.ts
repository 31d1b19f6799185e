/** Responses that are sent before the body of the request is read. */
import type { IncomingMessage } from 'node:http';

/** Milliseconds between the response and the end of the connection, in which the client can read the response. */
const LINGER = 500;

/**
 * To be called before the response is written, which must have the header `connection: close`. The rest of the body is not read; the
 * connection is half-closed after the response and destroyed 500 ms later. If it were reset at once, a client that is still sending would
 * lose the response.
 */
export function prepareEarlyResponse(request: IncomingMessage): void {
  const { socket } = request;
  // With a `readable` listener the stream is paused, and Node does not drain the body after the response.
  request.on('readable', () => undefined);
  request.on('error', () => undefined);
  socket.destroySoon = () => {
    socket.end();
    const timer = setTimeout(() => socket.destroy(), LINGER);
    timer.unref();
    socket.once('close', () => clearTimeout(timer));
  };
}
