import { getEventListeners } from 'node:events';
import { createServer } from 'node:http';
import { request } from 'undici';
import { expect, test } from 'vitest';
import { systemClock } from '../clock.ts';
import { Health } from '../health.ts';
import { hubCall } from '../host/services.ts';
import { listen } from '../testing/simulator.ts';
import { onAbort } from './abort-listeners.ts';
import { DEFAULT_POLICY } from './guard.ts';
import { makeGuard } from './source-guard.ts';

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

test('however many wait for a signal, it has one listener, and none when nobody waits', () => {
  const control = new AbortController();
  const told: number[] = [];
  const leave = Array.from({ length: 40 }, (_, i) => onAbort(control.signal, () => told.push(i)));
  expect(listeners(control.signal)).toBe(1);
  for (const one of leave) one();
  for (const one of leave) one();
  expect(listeners(control.signal)).toBe(0);
  const last = onAbort(control.signal, () => told.push(100));
  onAbort(control.signal, () => last());
  expect(listeners(control.signal)).toBe(1);
  control.abort();
  expect([told, listeners(control.signal)]).toEqual([[100], 0]);
  onAbort(control.signal, () => told.push(200))();
  expect(told).toEqual([100]);
});

test('a query with many calls to a vendor warns of no leak, and leaves no listener', async () => {
  let asked = 0;
  let most = 0;
  const control = new AbortController();
  const vendor = createServer((_, response) => {
    asked++;
    most = Math.max(most, listeners(control.signal));
    setTimeout(() => response.end('1'), 20);
  });
  const url = `http://127.0.0.1:${await listen(vendor)}`;
  const warnings: string[] = [];
  const note = (warning: Error) => void warnings.push(`${warning.name}: ${warning.message}`);
  process.on('warning', note);
  const clock = systemClock;
  const guard = makeGuard(
    {
      installation: { id: 'test', connector: 'parking', park: 'lakeside' },
      clock,
      health: new Health(clock),
      tell: () => undefined,
    },
    { ...DEFAULT_POLICY, timeout: 10_000 },
  );
  const call = hubCall(10_000, control.signal);
  const get = async (signal: AbortSignal) => (await request(url, { signal })).body.text();
  // Calls of their own, calls that wait at the gate, and calls that are several requests each.
  await Promise.all(
    Array.from({ length: 40 }, (_, i) => [
      guard.read(call, { operation: 'lots', key: String(i) }, get),
      guard.read(call, { operation: 'permits' }, get),
      guard.read(call, { operation: 'lots', key: 'all' }, (signal) =>
        Promise.all(Array.from({ length: 20 }, () => get(signal))),
      ),
    ]).flat(),
  );
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', note);
  vendor.closeAllConnections();
  await new Promise((resolve) => vendor.close(resolve));
  expect(asked).toBe(40 + 40 + 20);
  expect(warnings).toEqual([]);
  expect([most, listeners(control.signal)]).toEqual([1, 0]);
}, 20_000);
