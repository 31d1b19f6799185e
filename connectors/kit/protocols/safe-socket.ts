/** Sockets for drivers that parse in their `data` listener. An exception there is not caught by anything and would end the process. */
import { Socket } from 'node:net';

/** Returns an unconnected socket. An exception in its `data` listener destroys it with an error that has no code. */
export function createSafeSocket(): Socket {
  const socket = new Socket();
  const emit = socket.emit.bind(socket) as (event: string | symbol, ...rest: unknown[]) => boolean;
  socket.emit = (event: string | symbol, ...rest: unknown[]): boolean => {
    if (event !== 'data') return emit(event, ...rest);
    try {
      return emit(event, ...rest);
    } catch (error) {
      socket.destroy(new Error(`driver failed to parse the response: ${(error as Error).message}`, { cause: error }));
      return true;
    }
  };
  return socket;
}
