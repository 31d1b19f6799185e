import { afterAll, beforeAll, expect, test } from 'vitest';
import { settings } from '../config/settings.ts';
import type { AnyConnector } from '../connector.ts';
import { silentLog } from '../log.ts';
import { limitConcurrency } from '../tasks/concurrency-limit.ts';
import { createTestDatabase } from '../testing/test-database.ts';
import { Host, MAX_CONCURRENT_OPENS } from './host.ts';
import { loadKeys } from './services.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

/** A connector that counts open installations and calls `opened` for each. */
function counting(opened: () => void = () => undefined) {
  const seen = { opening: 0, most: 0, open: 0 };
  const connector = (name: string): AnyConnector => ({
    name,
    settings: settings(name, {}),
    graph: { sdl: 'type Query { nothing: Boolean }', fields: {}, rows: {} },
    protocol: () => name,
    open: async () => {
      seen.most = Math.max(seen.most, ++seen.opening);
      await new Promise((resolve) => setTimeout(resolve, 5));
      seen.opening--;
      seen.open++;
      opened();
      return { request: () => ({}), check: async () => undefined, close: async () => void seen.open-- };
    },
  });
  return { seen, connector };
}

const installations = (connector: string, count: number) =>
  Array.from({ length: count }, (_, i) => ({
    id: `${connector}-${i}`,
    connector,
    park: 'p',
    protocol: connector,
    settings: {},
    family: null,
    guard: null,
  })) as never;

test('host: limits how many installations open at once, over all connectors of a process', async () => {
  const { seen, connector } = counting();
  const keys = await loadKeys(database);
  const opening = limitConcurrency(MAX_CONCURRENT_OPENS);
  const hosts = await Promise.all(
    ['a', 'b', 'c'].map((name) =>
      Host.open({
        ...{ connector: connector(name), installations: installations(name, 16), parks: [], database, keys },
        ...{ log: silentLog, opening },
      }),
    ),
  );
  expect(seen).toEqual({ opening: 0, most: MAX_CONCURRENT_OPENS, open: 48 });
  await Promise.all(hosts.map((host) => host.close()));
  expect(seen.open).toBe(0);
});

test('host: an aborted start opens no further installation and closes the open ones', async () => {
  const control = new AbortController();
  let count = 0;
  const { seen, connector } = counting(() => void (++count === 10 && control.abort(new Error('interrupted'))));
  const raising = Host.open({
    ...{ connector: connector('a'), installations: installations('a', 48), parks: [], database, log: silentLog },
    ...{ keys: await loadKeys(database), signal: control.signal },
  });
  await expect(raising).rejects.toThrow('interrupted');
  expect(count).toBeLessThan(10 + MAX_CONCURRENT_OPENS + 1);
  expect(seen.open).toBe(0);
});
