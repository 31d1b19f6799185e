import { getEventListeners } from 'node:events';
import { createServer } from 'node:http';
import { request } from 'undici';
import { expect, test } from 'vitest';
import { systemClock } from '../clock.ts';
import { DEFAULT_GUARD_POLICY } from '../config/sections/guard.ts';
import { hubCall } from '../host/services.ts';
import { Health } from '../monitoring/health.ts';
import { listen } from '../testing/simulator.ts';
import { onAbort } from './abort-listeners.ts';

import { createSourceGuard } from './source-guard.ts';

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

test('abort listeners: callbacks of one signal share one listener, which is removed with the removeLast of them', () => {
  const controller = new AbortController();
  const called: number[] = [];
  const removals = Array.from({ length: 40 }, (_, i) => onAbort(controller.signal, () => called.push(i)));
  expect(listeners(controller.signal)).toBe(1);
  for (const remove of removals) remove();
  for (const remove of removals) remove();
  expect(listeners(controller.signal)).toBe(0);
  const removeLast = onAbort(controller.signal, () => called.push(100));
  onAbort(controller.signal, () => removeLast());
  expect(listeners(controller.signal)).toBe(1);
  controller.abort();
  expect([called, listeners(controller.signal)]).toEqual([[100], 0]);
  onAbort(controller.signal, () => called.push(200))();
  expect(called).toEqual([100]);
});

test('abort listeners: many calls with one signal cause no leak warning and leave no listener', async () => {
  let requests = 0;
  let maxListeners = 0;
  const controller = new AbortController();
  const vendor = createServer((_, response) => {
    requests++;
    maxListeners = Math.max(maxListeners, listeners(controller.signal));
    setTimeout(() => response.end('1'), 20);
  });
  const url = `http://127.0.0.1:${await listen(vendor)}`;
  const warnings: string[] = [];
  const onWarning = (warning: Error) => void warnings.push(`${warning.name}: ${warning.message}`);
  process.on('warning', onWarning);
  const clock = systemClock;
  const guard = createSourceGuard(
    {
      installation: { id: 'test', connector: 'parking', park: 'lakeside', zone: 'UTC' },
      clock,
      health: new Health(clock),
      publishCall: () => undefined,
    },
    { ...DEFAULT_GUARD_POLICY, timeout: 10_000 },
  );
  const call = hubCall(10_000, controller.signal);
  const get = async (signal: AbortSignal) => (await request(url, { signal })).body.text();
  // Single calls, calls that wait in the queue, and calls of several requests each.
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
  process.off('warning', onWarning);
  vendor.closeAllConnections();
  await new Promise((resolve) => vendor.close(resolve));
  expect(requests).toBe(40 + 40 + 20);
  expect(warnings).toEqual([]);
  expect([maxListeners, listeners(controller.signal)]).toEqual([1, 0]);
}, 20_000);
