/** Sockets for drivers that parse where they listen: what such a listener throws, nobody catches, and it ends the process. */
import { Socket } from 'node:net';

/** A socket, not yet connected, that a fault of its reader ends with an error instead. */
export function soundSocket(): Socket {
  const socket = new Socket();
  const emit = socket.emit.bind(socket) as (event: string | symbol, ...rest: unknown[]) => boolean;
  socket.emit = (event: string | symbol, ...rest: unknown[]): boolean => {
    if (event !== 'data') return emit(event, ...rest);
    try {
      return emit(event, ...rest);
    } catch (error) {
      // Without a code: it is the source that speaks nonsense.
      socket.destroy(
        new Error(`the answer makes no sense to the driver: ${(error as Error).message}`, { cause: error }),
      );
      return true;
    }
  };
  return socket;
}
