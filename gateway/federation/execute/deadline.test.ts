import { afterEach, expect, test, vi } from 'vitest';
import { hubCall } from '../../../connectors/kit/host/services.ts';
import { Deadline } from './deadline.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test('deadline: does not wait for requests that start after the timer has fired early', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const deadline = new Deadline({ ...hubCall(100, new AbortController().signal), deadline: 1_100 });
  const clock = vi.spyOn(performance, 'now').mockReturnValue(1_000);
  const first = deadline.race(new Promise<string>(() => undefined), () => 'late');
  // Timers count whole milliseconds, the clock does not.
  clock.mockReturnValue(1_349.6);
  vi.runAllTimers();
  expect(await first).toBe('late');
  expect(deadline.isOver()).toBe(true);
  expect(await deadline.race(new Promise<string>(() => undefined), () => 'late too')).toBe('late too');
  expect(await deadline.race(Promise.reject(new Error('unheard')), () => 'late as well')).toBe('late as well');
});
