/** Refusing a request whose body is not read. */
import type { IncomingMessage } from 'node:http';

/** The client may go on sending for so long before the connection is cut, in milliseconds: time to read why it is refused. */
const LINGER = 500;

/**
 * To be called before the answer is written, with `connection: close` among its headers. The rest of the body stays unread in the
 * kernel; the connection is half-closed behind the answer and cut a little later, since a client that is still sending would lose the
 * answer to a connection that is reset at once.
 */
export function leaveUnread(request: IncomingMessage): void {
  const { socket } = request;
  // With a listener of its own nothing flows, and node does not read the body away behind the answer.
  request.on('readable', () => undefined);
  request.on('error', () => undefined);
  socket.destroySoon = () => {
    socket.end();
    const timer = setTimeout(() => socket.destroy(), LINGER);
    timer.unref();
    socket.once('close', () => clearTimeout(timer));
  };
}
