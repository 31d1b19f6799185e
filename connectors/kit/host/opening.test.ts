import { afterAll, beforeAll, expect, test } from 'vitest';
import { settings } from '../config/settings.ts';
import type { AnyConnector } from '../connector.ts';
import { silentLog } from '../log.ts';
import { limited } from '../tasks/concurrency-limit.ts';
import { freshDatabase } from '../testing/test-database.ts';
import { Host, OPEN_AT_ONCE } from './host.ts';
import { loadKeys } from './services.ts';

let database: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());

/** A connector that counts what is open, and says when an installation opens. */
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

test('of many installations so many open at a time, over all connectors of a process', async () => {
  const { seen, connector } = counting();
  const keys = await loadKeys(database);
  const opening = limited(OPEN_AT_ONCE);
  const hosts = await Promise.all(
    ['a', 'b', 'c'].map((name) =>
      Host.raise({
        ...{ connector: connector(name), installations: installations(name, 16), parks: [], database, keys },
        ...{ log: silentLog, opening },
      }),
    ),
  );
  expect(seen).toEqual({ opening: 0, most: OPEN_AT_ONCE, open: 48 });
  await Promise.all(hosts.map((host) => host.close()));
  expect(seen.open).toBe(0);
});

test('an interrupted start opens no further installation, and closes what is open', async () => {
  const control = new AbortController();
  let count = 0;
  const { seen, connector } = counting(() => void (++count === 10 && control.abort(new Error('interrupted'))));
  const raising = Host.raise({
    ...{ connector: connector('a'), installations: installations('a', 48), parks: [], database, log: silentLog },
    ...{ keys: await loadKeys(database), signal: control.signal },
  });
  await expect(raising).rejects.toThrow('interrupted');
  expect(count).toBeLessThan(10 + OPEN_AT_ONCE + 1);
  expect(seen.open).toBe(0);
});
