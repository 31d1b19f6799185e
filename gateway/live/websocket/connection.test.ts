import { EventEmitter } from 'node:events';
import { afterEach, expect, test, vi } from 'vitest';
import { silentLog } from '../../../connectors/kit/log.ts';
import { Connection } from './connection.ts';

afterEach(() => void vi.useRealTimers());

function connect() {
  const socket = Object.assign(new EventEmitter(), { OPEN: 1, readyState: 1, ping: vi.fn(), terminate: vi.fn() });
  return { socket, connection: new Connection(socket as never, {} as never, {} as never, silentLog) };
}

test('WebSocket connection: terminates a socket that answers no ping for a minute, but not a slow one', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const [slow, dead] = [connect(), connect()];
  for (let second = 0; second <= 60; second += 15) {
    for (const { connection } of [slow, dead]) connection.ping();
    // It answers the first ping after 50 s.
    if (second === 45) slow.socket.emit('pong');
    vi.advanceTimersByTime(15_000);
  }
  expect(slow.socket.ping).toHaveBeenCalledTimes(5);
  expect(slow.socket.terminate).not.toHaveBeenCalled();
  expect(dead.socket.terminate).toHaveBeenCalledTimes(1);
});
